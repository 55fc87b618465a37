"""recall@k on held-out pairs, during training and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from cite.atomic import write_json
from cite.contrast import recall_at_k

RESULTS = 'results.json'


@METRICS.register_module()
class RecallAtK(BaseMetric):
    """Which share of images finds its text among the k nearest, and the other way round.

    Texts count once, however many images share one (`cite.contrast.recall_at_k`). Beside each figure
    stands what chance would give.

    Args:
        ks: The k.
        out_dir: Where `results.json` goes; None writes none.
        collect_device: mmengine's.
    """

    default_prefix = ''

    def __init__(
        self,
        ks: Sequence[int] = (1, 5, 10),
        out_dir: str | None = None,
        collect_device: str = 'cpu',
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.ks = tuple(ks)
        self.out_dir = Path(out_dir) if out_dir else None
        self.about: dict[str, Any] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            self.results.append(
                {
                    'image': sample['image'].float().cpu().numpy(),
                    'text': sample['text'].float().cpu().numpy(),
                    'group': int(sample['group']),
                }
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        groups = np.array([row['group'] for row in results], dtype=np.int64)
        # one row for each text: the others are the same vector
        _, once = np.unique(groups, return_index=True)
        found = recall_at_k(
            np.stack([row['image'] for row in results]),
            np.stack([results[i]['text'] for i in once]),
            groups,
            groups[once],
            self.ks,
            progress=False,
        )
        if self.out_dir is not None:
            counts = {'images': len(groups), 'texts': len(once)}
            write_json(self.out_dir / RESULTS, {'recall': found, **counts, **self.about})
        return found
