"""One training and test of a config in this process, and what it took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.evaluation.predictions import Predictions
from cite.studies.record import PREDICTIONS

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass
class Trained:
    """What came of it.

    Attributes:
        predictions: Of the patches that it was tested on.
        seconds: 'training' and 'testing' → how long.
        about: The run's own record: backbone, tuning, head, trained_parameters, versions, …
    """

    predictions: Predictions
    seconds: dict[str, float] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


def train_and_test(cfg: Config, resume: bool = False) -> Trained:
    """Trains a config, where it has training, tests it, and leaves nothing open behind.

    Args:
        cfg: Complete; its files go into its `work_dir`.
        resume: Go on from the last checkpoint in there, if there is one.
    """
    from cite.mm.forget import forget
    from cite.mm.launch import runner_of

    cfg.resume = resume and bool(cfg.get('train_cfg'))
    start = time.perf_counter()
    runner = runner_of(cfg).from_cfg(cfg)
    try:
        if cfg.get('train_cfg'):
            runner.train()
        trained = time.perf_counter()
        runner.test()
        tested = time.perf_counter()
        about = next(m.about for m in runner.test_evaluator.metrics if hasattr(m, 'about'))['about']
    finally:
        forget(runner)
    return Trained(
        Predictions.from_parquet(Path(cfg.work_dir) / PREDICTIONS),
        {'training': trained - start, 'testing': tested - trained},
        about,
    )


def set_patches(cfg: Config, loader: str, manifest: Path) -> None:
    """Has a loader of a config read a manifest, in place of the patches that it names."""
    dataset = cfg[loader].dataset
    for key in ('split', 'columns', 'slide_pattern'):
        dataset.pop(key, None)
    dataset.ann_file = str(manifest)


def quiet(cfg: Config) -> None:
    """Of a training that only judges a setting: no log of it, and no checkpoints on the way."""
    cfg.log_level = 'ERROR'
    hooks = cfg.setdefault('default_hooks', {})
    hooks['checkpoint'] = {'type': 'CheckpointHook', 'by_epoch': False, 'interval': -1}
    cfg.visualizer = None
