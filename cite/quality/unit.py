"""Vectors of unit length, whose products are cosines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_unit(vectors: NDArray) -> NDArray[np.float32]:
    """Rows (N, D) at unit length; a row of zeros stays."""
    values = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = values / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
