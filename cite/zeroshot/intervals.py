"""How far the metrics hold: 95 % intervals over patients or slides, else over images."""

from __future__ import annotations

from cite.data.table import PatchTable
from cite.statistics.bootstrap import interval
from cite.zeroshot.measuring import predictions
from cite.zeroshot.scores import ZeroShotScores

COUNTED = ('balanced_accuracy', 'accuracy', 'macro_f1', 'weighted_f1')
RANKED = ('auroc',)
MOST_RANKED = 3000
"""Patches up to which AUROC is sorted anew in each draw; of more that takes minutes."""
SAMPLES, NUMBERS = 1000, 2 * 10**7
"""Draws, and draws × units at most: 160 MB."""

Ends = dict[str, dict[str, tuple[float, float]]]
"""Level → metric → (low, high) of those that have an interval."""


def intervals(scores: ZeroShotScores, table: PatchTable, levels: list[str]) -> Ends:
    """Bootstrap intervals of metrics (`cite.statistics.interval`): patients are drawn where they are known,
    else slides (`cite.zeroshot.measuring.drawn`), among those of the class that most of their patches have.

    Args:
        levels: Of `measure`. Slides with patches of several classes have no level, but are drawn. Where
            neither slides nor patients are known, images are drawn as if they were independent; those of
            one patient are not, so the intervals are then too narrow.

    Raises:
        DataError: As `measure`.
    """
    from tqdm import tqdm

    found = predictions(scores, table)
    metrics = COUNTED + (RANKED if len(found) <= MOST_RANKED else ())
    samples = min(SAMPLES, NUMBERS // len(found))
    ends: Ends = {level: {} for level in levels}
    if samples < 100:  # of so many images an interval is narrower than what is written
        return ends
    todo = [(level, metric) for level in levels for metric in metrics]
    for level, metric in tqdm(todo, desc='intervals', delay=2):
        own = interval([found], metric, level, samples)
        if own.low is not None and own.high is not None:
            ends[level][metric] = (own.low, own.high)
    return ends
