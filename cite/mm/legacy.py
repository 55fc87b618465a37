"""The published sampler, augmentation and metrics as parts of a config; see `cite.legacy`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info
from mmengine.evaluator import BaseMetric
from mmengine.registry import DATA_SAMPLERS, METRICS, TRANSFORMS

from cite.data.samplers import Draw
from cite.legacy.augment import OriginalAugment
from cite.legacy.metrics import original_metrics
from cite.legacy.sampling import Balance, batches
from cite.mm.dataset import PatchBatchSampler, PatchDataset, PatchSampler

TRANSFORMS.register_module(module=OriginalAugment)


@DATA_SAMPLERS.register_module()
class OriginalSampler(PatchSampler):
    """What training draws as the published data set did: see `cite.legacy.sampling.batches`.

    Args:
        dataset, seed: Given by the runner. The order of the annotation file counts: read it with
            `keep_order=True`.
        balance: 'patch' or 'slide'.
        workers: How many workers the published loader has (12 in its configs): each holds a copy of the
            sampler, so that every batch comes that many times. Our own loader's workers are another
            number, and change nothing.
        slide_order: Slides in their initial order, where it is known.
    """

    batch_sampler = 'OriginalBatchSampler'

    def __init__(
        self,
        dataset: PatchDataset,
        seed: int | None = 0,
        balance: Balance = 'patch',
        workers: int = 0,
        slide_order: Sequence[str] | None = None,
    ) -> None:
        super().__init__(dataset, seed)
        self.original = partial(
            batches,
            self.table.labels,
            self.table.slides,
            balance=balance,
            seed=self.seed,
            workers=workers,
            slide_order=slide_order,
        )


@DATA_SAMPLERS.register_module()
class OriginalBatchSampler(PatchBatchSampler):
    """Batches of an `OriginalSampler`; added by the runner.

    Every process draws the same patches, as it did there; their augmentation differs.
    """

    def __init__(self, sampler: OriginalSampler, batch_size: int) -> None:
        super().__init__(sampler, batch_size)
        self._batches = partial(sampler.original, batch_size=batch_size)
        next(self._batches())  # refuses what is wrong before training starts

    def __iter__(self) -> Iterator[list[Draw]]:
        rank, world_size = get_dist_info()
        for iteration, rows in enumerate(itertools.islice(self._batches(), self.num_iters)):
            first = (iteration * world_size + rank) * self.batch_size
            if iteration >= self.start_iter:  # resuming draws the past again: numbers only
                yield [Draw(row, first + place) for place, row in enumerate(rows)]


@METRICS.register_module()
class OriginalMetric(BaseMetric):
    """The published percentages in the log, beside `PatchSlideMetric`: see `cite.legacy.metrics`."""

    default_prefix = 'original'

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            score = sample['pred_score'].cpu().numpy()
            self.results.append((score, int(sample['gt_label']), sample['slide']))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        scores, labels, slides = zip(*results, strict=True)
        found = original_metrics(np.stack(scores), np.array(labels), list(slides))
        return {name: value for name, value in found.items() if value is not None}
