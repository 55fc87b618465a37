"""How long a training of a method takes: two short ones, a few patches tested."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cite.experiments.choosing import Candidate
from cite.studies.data import Data
from cite.studies.description import Method
from cite.studies.draws import draw_slides, write_manifest
from cite.studies.options import run_config
from cite.studies.training import quiet, set_patches, train_and_test

FEW, MORE = 2, 10
"""Iterations of the two trainings: their difference tells what one takes, the rest is start-up."""
TESTED = 64


@dataclass(frozen=True)
class Pace:
    """Seconds of a method on this machine, alone on it.

    Attributes:
        start: Of a training before its first iteration.
        iteration: Of one iteration.
        patch: Of one tested patch.
        iterations: Of a training in full.
        folder_mb: What a run leaves on the disk besides its predictions.
    """

    start: float
    iteration: float
    patch: float
    iterations: int
    folder_mb: float

    @property
    def training(self) -> float:
        """Of a whole training."""
        return self.start + self.iteration * self.iterations

    def values(self) -> dict[str, float]:
        return asdict(self)


def measure(method: Method, data: Data, shots: str) -> Pace:
    """Trains a method twice for a moment, by its preset, in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix='cite-probe-'))
    rows = np.linspace(0, len(data.evaluation) - 1, min(TESTED, len(data.evaluation))).astype(int)
    evaluation = data.evaluation.subset(np.unique(rows))
    draw = draw_slides(data.pool, shots, 0)
    times = []
    iterations = 0
    try:
        for steps in (FEW, MORE):
            cfg = run_config(method, 0, Candidate(), folder)
            quiet(cfg)
            if cfg.get('train_cfg'):
                iterations = cfg.train_cfg.max_iters
                cfg.train_cfg.max_iters = min(steps, iterations)
                set_patches(
                    cfg, 'train_dataloader', write_manifest(draw.table, folder / 'train.csv')
                )
            set_patches(cfg, 'test_dataloader', write_manifest(evaluation, folder / 'test.csv'))
            times.append(train_and_test(cfg).seconds)
        size = sum(file.stat().st_size for file in folder.rglob('*') if file.is_file())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    few, more = times
    step = max(0.0, more['training'] - few['training']) / max(1, min(MORE, iterations) - FEW)
    start = max(0.0, more['training'] - step * min(MORE, iterations))
    return Pace(start, step, more['testing'] / len(evaluation), iterations, size / 1024**2)
