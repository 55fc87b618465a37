"""A setting chosen for one run, by training slides alone; its trainings are kept until it is made."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cite.atomic import write_json
from cite.data.table import PatchTable
from cite.errors import TrainingError
from cite.evaluation.metrics import classification_metrics
from cite.evaluation.predictions import Predictions
from cite.experiments.choosing import Candidate, Choice, Fold, choose
from cite.studies.description import Choosing
from cite.studies.draws import write_manifest
from cite.studies.leakage import refuse_choice_on_evaluation
from cite.studies.record import PREDICTIONS
from cite.studies.training import quiet, set_patches, train_and_test

if TYPE_CHECKING:
    from mmengine.config import Config

MakeConfig = Callable[[Candidate, Path], 'Config']
"""Setting and run folder → the config of a training with it."""
SCORES = 'scores.json'


def choose_setting(
    candidates: list[Candidate],
    choosing: Choosing,
    training: PatchTable,
    evaluation: PatchTable,
    make: MakeConfig,
    folder: Path,
    seed: int,
) -> tuple[Choice, Predictions | None]:
    """The best of the candidates by slide-level balanced accuracy on held-out training slides.

    A fold's training that was done before is not done again: scores are kept in `folder` as they come.

    Args:
        training: Patches of the run, all that the choice may see.
        evaluation: The evaluation set; only to be sure that none of it is judged by.
        folder: Of these trainings; `clear` removes it once the choice is recorded.
        seed: Of the folds.

    Returns:
        The choice, and what the chosen setting predicted of the slides that it was not trained on; None
        where none were held out (one slide per class, or one setting).
    """
    known = _read_scores(folder)

    def score(candidate: Candidate, fold: Fold) -> float:
        name = _name(candidates.index(candidate), fold)
        if name not in known:
            known[name] = _try(candidate, fold, training, evaluation, make, folder / name)
            # a loss that is no number is the worst of scores, and JSON has no NaN
            write_json(folder / SCORES, known)
        value = known[name]
        return math.nan if value is None else value

    choice = choose(candidates, training.labels, training.slides, score, None, choosing.folds, seed)
    if not choice.scores:
        return choice, None
    return choice, _held_out(folder, candidates.index(choice.candidate), known)


def clear(folder: Path) -> None:
    """Removes the trainings of a choice."""
    shutil.rmtree(folder, ignore_errors=True)


def _name(candidate: int, fold: Fold) -> str:
    return f'setting{candidate}-held{int(fold.held_out[0])}x{len(fold.held_out)}'


def _try(
    candidate: Candidate,
    fold: Fold,
    training: PatchTable,
    evaluation: PatchTable,
    make: MakeConfig,
    folder: Path,
) -> float | None:
    clear(folder)
    held_out = training.subset(fold.held_out)
    refuse_choice_on_evaluation(held_out, training, evaluation)
    cfg = make(candidate, folder)
    quiet(cfg)
    parts = {'train_dataloader': training.subset(fold.train), 'test_dataloader': held_out}
    for loader, table in parts.items():
        set_patches(cfg, loader, write_manifest(table, folder / f'{loader.split("_")[0]}.csv'))
    try:
        predictions = train_and_test(cfg).predictions
    except TrainingError:
        return None
    slides = predictions.by_slide()
    found = classification_metrics(slides.labels, slides.probabilities, slides.classes)
    value = float(found['balanced_accuracy'])
    # many settings are right on the few slides held out: the likelihood of the truth decides between them
    truth = slides.probabilities[np.arange(len(slides)), slides.labels].astype(np.float64)
    return value + 1e-3 * float(np.log(np.clip(truth, 1e-6, 1)).mean())


def _read_scores(folder: Path) -> dict[str, float | None]:
    try:
        found: dict[str, float | None] = json.loads((folder / SCORES).read_text(encoding='utf-8'))
    except (FileNotFoundError, ValueError):
        return {}
    return {
        name: value
        for name, value in found.items()
        if value is None or (folder / name / PREDICTIONS).is_file()
    }


def _held_out(folder: Path, candidate: int, scores: dict[str, float | None]) -> Predictions | None:
    prefix = f'setting{candidate}-'
    parts = [
        Predictions.from_parquet(folder / name / PREDICTIONS)
        for name, value in sorted(scores.items())
        if name.startswith(prefix) and value is not None
    ]
    return joined(parts) if parts else None


def joined(parts: list[Predictions]) -> Predictions:
    """Several sets of predictions of the same classes as one."""
    patients = [part.patients for part in parts]
    known = [names for names in patients if names is not None]
    return Predictions(
        [file for part in parts for file in part.files],
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        [slide for part in parts for slide in part.slides],
        parts[0].classes,
        [name for names in known for name in names] if len(known) == len(parts) else None,
    )
