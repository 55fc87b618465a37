"""Patch and slide results side by side, in the log and as files of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from cite.atomic import write_json
from cite.evaluation.aggregation import check_aggregation
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.evaluation.table import results_table

RESULTS = 'results.json'
SUMMARY = ('accuracy', 'balanced_accuracy', 'macro_f1', 'auroc', 'quadratic_kappa')


@METRICS.register_module()
class PatchSlideMetric(BaseMetric):
    """Accuracy, balanced accuracy, macro F1, AUROC and quadratic kappa, by patch and by slide.

    The log gets `patch/…`, `slide/…` and, where patients are known and have one label each, `patient/…`.

    Args:
        out_dir: Where `results.json` and `predictions.parquet` go; None writes no files.
        aggregation: How a slide's probabilities come from its patches', see `cite.evaluation.aggregation`.
        top_k: Patches of a slide that count under 'topk'.
        collect_device: mmengine's: where results of several processes meet.
    """

    default_prefix = ''  # names come whole: 'patch/…', 'slide/…'

    def __init__(
        self,
        out_dir: str | None = None,
        aggregation: str = 'mean',
        top_k: int = 10,
        collect_device: str = 'cpu',
    ) -> None:
        check_aggregation(aggregation, top_k)
        super().__init__(collect_device=collect_device)
        self.aggregation, self.top_k = aggregation, top_k
        self.out_dir = Path(out_dir) if out_dir else None
        self.about: dict[str, Any] = {}  # what decided the numbers; the runner fills it in
        self.found: dict[str, Any] = {}  # the content of results.json

    @property
    def results_table(self) -> str:
        """The results, as far as they are known; empty before the first evaluation."""
        return results_table(self.found) if self.found else ''

    def add_baselines(self, baselines: dict[str, Any], notes: Sequence[str]) -> None:
        """Sets baselines (kind → title and metrics) beside the results; writes these again."""
        self.found |= {'baselines': baselines, 'baseline_notes': list(notes)}
        if self.out_dir is not None:
            write_json(self.out_dir / RESULTS, self.found)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            self.results.append(
                {
                    'file': sample['img_path'],
                    'label': int(sample['gt_label']),
                    'score': sample['pred_score'].float().cpu().numpy(),
                    'slide': sample['slide'],
                    'patient': sample['patient'],
                }
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        known = all(row['patient'] is not None for row in results)
        predictions = Predictions(
            files=[row['file'] for row in results],
            labels=np.array([row['label'] for row in results], dtype=np.int64),
            probabilities=np.stack([row['score'] for row in results]).astype(np.float32),
            slides=[row['slide'] for row in results],
            patients=[row['patient'] for row in results] if known else None,
            classes=tuple(self.dataset_meta['classes']),
        )
        found = evaluate(predictions, self.aggregation, self.top_k)
        self.found = {**found, **self.about}
        if self.out_dir is not None:
            write_results(self.out_dir, predictions, self.found)
        return {
            f'{level}/{name}': found[level][name]
            for level in ('patch', 'slide', 'patient')
            if level in found
            for name in SUMMARY
            if found[level][name] is not None
        }


def write_results(folder: Path, predictions: Predictions, found: dict[str, Any]) -> None:
    """The files of a tested run: what was predicted, and what came of it."""
    predictions.to_parquet(folder / 'predictions.parquet')
    write_json(folder / RESULTS, found)
