"""Holm's step-down adjustment of p-values for the number of comparisons (Holm 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cite.errors import DataError


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values in the order given; below 0.05 means rejected at a family-wise level of 5 %.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none may be below one before it,
    nor above 1. None and NaN stand for comparisons that were not made: they are returned as they are
    and not counted.

    Raises:
        DataError: A p-value outside 0..1.
    """
    known = [(p, i) for i, p in enumerate(p_values) if p is not None and not math.isnan(p)]
    for p, _ in known:
        if not 0 <= p <= 1:
            raise DataError(f'holm: a p-value lies in 0..1, found {p}.')
    adjusted = list(p_values)
    reached = 0.0
    for rank, (p, index) in enumerate(sorted(known)):
        reached = max(reached, min(1.0, (len(known) - rank) * p))
        adjusted[index] = reached
    return adjusted
