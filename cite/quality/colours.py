"""Colours and coarse texture of a picture as numbers, from its fingerprint: a classifier that needs no
model.

It tells stained tissue from most charts and screenshots; it does not know what tissue is. What it is worth
on the examples given is measured each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cite.data.prepare.scan import Scan

NAMES = ('mean', 'deviation', 'low', 'median', 'high', 'step across', 'step down')
LENGTH = 3 * len(NAMES) + 3 + 1


def colour_features(scan: Scan) -> NDArray[np.float64]:
    """(N, 25): per channel `NAMES` over the 16 × 16 cells, correlations of channels, spread of pixels."""
    found = np.zeros((len(scan.spreads), LENGTH))
    for row, grid in enumerate(scan.grids):
        cells = grid.astype(np.float64)
        flat = cells.reshape(-1, 3)
        parts = [flat.mean(axis=0), flat.std(axis=0), *np.quantile(flat, (0.1, 0.5, 0.9), axis=0)]
        steps = [np.abs(np.diff(cells, axis=axis)).mean(axis=(0, 1)) for axis in (1, 0)]
        centred = (flat - parts[0]) / np.maximum(parts[1], 1e-6)
        pairs = [float((centred[:, a] * centred[:, b]).mean()) for a, b in ((0, 1), (0, 2), (1, 2))]
        found[row] = np.concatenate([*parts, *steps, pairs, [scan.spreads[row]]])
    return found
