"""What tells features from others, without reading all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 256
"""Rows whose bytes are looked at, evenly spread."""


def features_digest(
    features: NDArray[Any], names: Sequence[str], record: Mapping[str, Any] | None = None
) -> str:
    """SHA-256 over the record of the features (which has the key of the question they answer: model,
    preprocessing, size and time of change of each image), their names, their shape, and 256 of the rows.

    Rows are looked at for files of other programs, which have no record. A file of those in which only
    other rows changed has the same digest.
    """
    rows = np.linspace(0, len(features) - 1, min(ROWS, len(features))).astype(np.int64)
    sha = hashlib.sha256(json.dumps([features.shape, dict(record or {})], sort_keys=True).encode())
    for name in names:
        sha.update(name.encode('utf-8', 'surrogatepass') + b'\0')
    sha.update(np.ascontiguousarray(features[rows], '<f4').tobytes())
    return sha.hexdigest()
