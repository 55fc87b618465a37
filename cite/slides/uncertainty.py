"""How far a slide's result holds: intervals from blocks of tissue, entropy, margin, agreement of tiles.

Neighbouring tiles look alike, so that tiles are no independent draws of tissue. Blocks of them nearly are:
whole blocks are drawn with replacement (Hall 1985; Lahiri 2003, ch. 12), one less than there are
(`cite.statistics.draws`). Blocks are few and large, with Student's t (Ibragimov & Müller 2010), for what
neighbouring blocks still share makes intervals too short. On smooth random fields of 10 × 10 mm, 95%
intervals hold the mean in 94, 92, 90 and 85% of draws where correlation falls to 1/e within 0, 0.4, 0.8 and
1.6 mm (tiles taken for independent: 94, 21, 11, 7%); on 4 × 4 mm in 95, 88, 80 and 53%.

An interval says how the result would vary with other tissue of the same kind on the slide. It does not say
whether the model is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.evaluation.samples import EPSILON
from cite.statistics.draws import unit_weights
from cite.statistics.scales import Scale

if TYPE_CHECKING:
    from cite.slides.result import SlideResult

Values = NDArray[np.float64]
BLOCKS = 16
"""Into about so many the tissue is cut."""
BLOCK_MM = 1.0
"""Side of a block, at least."""
LEAST_TILES = 2
"""Of a block, along a side: where tiles are large, so are blocks."""
LEAST_BLOCKS = 10
"""Below, the spread between blocks is hardly known."""
LEAST_TOP = 0.05
"""'topk' must take this part of the tiles: what a few extreme ones decide, a bootstrap cannot tell."""


@dataclass(frozen=True)
class Uncertainty:
    """Of a slide's result.

    Attributes:
        low, high: Ends of the interval of each class's probability; None where there is none.
        why: Why there is none; '' where there is one.
        confidence: Of the intervals, 0…1.
        blocks: How many blocks of tissue there are, the size of each considered (Kish 1965).
        block_mm: Their side.
        entropy: Of the slide's probabilities, 0 (one class) to 1 (all alike).
        margin: Probability of the first class above that of the second.
        agreement: Part of the tiles whose own most probable class is the slide's.
    """

    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    why: str
    confidence: float
    blocks: float
    block_mm: float
    entropy: float
    margin: float
    agreement: float


def uncertainty(
    result: SlideResult,
    block_mm: float = BLOCK_MM,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Uncertainty:
    """The uncertainty of a slide's result; equal arguments give equal values.

    Args:
        result: Of a slide with one predicted tile or more.
        block_mm: Side of a block in millimetres, enlarged to two tiles where it is less, and where there
            would be more than some 16 blocks.
        draws: Of blocks, 100 or more.
        confidence: Between 0 and 1.

    Raises:
        ConfigError: No predicted tile, or a number out of range.
    """
    if not len(result.rows) or draws < 100 or not 0 < confidence < 1 or not block_mm > 0:
        raise ConfigError(
            'uncertainty takes predicted tiles, a block above 0 mm, 100 draws or more and a confidence '
            f'between 0 and 1; found {len(result.rows)}, {block_mm}, {draws}, {confidence}'
        )
    tile = result.grid.spec.size * result.grid.spec.mpp / 1000
    steps = result.steps[0] * result.steps[1] * result.mpp[0] * result.mpp[1] / 1e6  # mm² of a tile
    side = max(block_mm, LEAST_TILES * tile, (len(result.rows) * steps / BLOCKS) ** 0.5)
    blocks = blocks_of(result, side)
    sizes = np.bincount(blocks)
    effective = float(sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum())
    why = _why_not(result, effective, side)
    low = high = None
    if not why:
        ends = _ends(result, blocks, effective, draws, confidence, seed)
        low, high = tuple(map(float, ends[0])), tuple(map(float, ends[1]))
    shares = result.probabilities
    ordered = np.sort(shares)[::-1]
    present = shares[shares > 0]
    return Uncertainty(
        low,
        high,
        why,
        confidence,
        effective,
        side,
        float(-(present * np.log(present)).sum() / np.log(len(shares))) if len(shares) > 1 else 0.0,
        float(ordered[0] - ordered[1]) if len(shares) > 1 else float(ordered[0]),
        float((result.scores.argmax(1) == shares.argmax()).mean()),
    )


def blocks_of(result: SlideResult, side_mm: float) -> NDArray[np.int64]:
    """(N,) int64, 0…B-1: the block of each predicted tile, by its centre. Blocks begin in the upper left
    corner of the slide."""
    places = []
    for start, side, mpp in zip(
        (result.grid.y, result.grid.x), result.grid.side[::-1], result.mpp[::-1], strict=True
    ):
        places.append(((start[result.rows] + side / 2) * mpp / 1000 // side_mm).astype(np.int64))
    return np.unique(np.stack(places, 1), axis=0, return_inverse=True)[1].ravel()


def _why_not(result: SlideResult, blocks: float, side: float) -> str:
    if result.aggregation == 'max':
        return "no interval: 'max' hangs on one tile, whose spread a bootstrap cannot tell"
    if result.aggregation == 'topk' and result.top_k < LEAST_TOP * len(result.rows):
        return (
            f'no interval: the {result.top_k} highest of {len(result.rows)} tiles are too few for a '
            f'bootstrap, which takes {LEAST_TOP:.0%} of them or more'
        )
    if blocks < LEAST_BLOCKS:
        return (
            f'no interval: the tissue makes {blocks:.1f} blocks of {side:.2g} mm, an interval takes '
            f'{LEAST_BLOCKS} or more'
        )
    return ''


def _ends(
    result: SlideResult,
    blocks: NDArray[np.int64],
    effective: float,
    draws: int,
    confidence: float,
    seed: int,
) -> tuple[Values, Values]:
    """(C,) twice: Student's t times the standard error over draws, laid on the logit scale, so that ends
    stay between 0 and 1."""
    from scipy.stats import t

    weights = unit_weights(np.zeros(blocks.max() + 1, np.int64), draws, seed)
    drawn = aggregate_weighted(result.scores, blocks, weights, result.aggregation, result.top_k)
    reach = drawn.std(0) * t.ppf((1 + confidence) / 2, effective - 1)
    scale = Scale(0, 1, 1)
    ends = [
        scale.lay(float(share), np.array([-width, width]), effective)
        for share, width in zip(result.probabilities, reach, strict=True)
    ]
    low, high = np.array(ends).T
    return low, high


def aggregate_weighted(
    scores: NDArray[np.float32], blocks: NDArray[np.int64], weights: Values, how: str, top_k: int
) -> Values:
    """`cite.evaluation.aggregation.aggregate` of all tiles as one group, each counted as its block is.

    Args:
        scores: (N, C).
        blocks: (N,) 0…B-1.
        weights: (D, B).

    Returns:
        (D, C).
    """
    values = scores.astype(np.float64)
    if how in ('mean', 'logmean'):
        if how == 'logmean':
            values = np.log(np.maximum(values, EPSILON))
        sums = np.stack([np.bincount(blocks, column) for column in values.T], 1)
        means = weights @ sums / (weights @ np.bincount(blocks))[:, None]
        if how == 'mean':
            return np.asarray(means)
        found = np.exp(means - means.max(1, keepdims=True))
    else:
        found = np.stack([_ordered(column, blocks, weights, how, top_k) for column in values.T], 1)
    totals = found.sum(1, keepdims=True)
    if not totals.all():  # all medians are 0
        means = aggregate_weighted(scores, blocks, weights, 'mean', top_k)
        found, totals = np.where(totals > 0, found, means), np.where(totals > 0, totals, 1)
    return np.asarray(found / totals)


def _ordered(
    column: Values, blocks: NDArray[np.int64], weights: Values, how: str, top_k: int
) -> Values:
    """(D,) weighted medians, or means of the highest tiles, of one class."""
    order = np.argsort(-column, kind='stable')
    column, blocks = column[order], blocks[order]
    most = len(column) if how == 'median' else {'topk': top_k, 'max': 1}[how]
    found = np.empty(len(weights))
    for row, weight in enumerate(weights):
        each = weight[blocks]
        upto = each.cumsum()
        if how == 'median':
            middle = upto[-1] / 2
            first = np.searchsorted(upto, middle * (1 - 1e-12))
            second = np.searchsorted(upto, middle * (1 + 1e-12), 'right')
            found[row] = (column[first] + column[min(second, len(column) - 1)]) / 2
        else:
            last = min(int(np.searchsorted(upto, most)), len(column) - 1)  # counts in part
            rest = min(most - (upto[last] - each[last]), each[last])
            taken = (each[:last] * column[:last]).sum() + rest * column[last]
            found[row] = taken / (upto[last] - each[last] + rest)
    return found
