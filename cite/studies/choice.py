"""A setting chosen for one run, by training slides alone; its trainings are kept until it is made."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cite.atomic import write_json
from cite.data.table import PatchTable
from cite.errors import TrainingError
from cite.evaluation.metrics import classification_metrics
from cite.evaluation.predictions import Predictions
from cite.experiments.choosing import Candidate, Choice, Fold, choose
from cite.studies.description import Study
from cite.studies.draws import write_manifest
from cite.studies.leakage import refuse_choice_on_evaluation
from cite.studies.record import PREDICTIONS
from cite.studies.training import quiet, set_patches, train_and_test

if TYPE_CHECKING:
    from mmengine.config import Config

MakeConfig = Callable[[Candidate, Path], 'Config']
"""Setting and run folder → the config of a training with it."""
SCORES = 'scores.json'
BY_PATIENT = 'leave-one-patient-out'
LEAST = 1e-6  # a probability of the truth below that counts as this


def choose_setting(
    candidates: list[Candidate],
    study: Study,
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
            known[name] = _try(candidate, fold, study, training, evaluation, make, folder / name)
            # a loss that is no number is the worst of scores, and JSON has no NaN
            write_json(folder / SCORES, known)
        value = known[name]
        return math.nan if value is None else value

    units = units_of(training)
    choice = choose(candidates, training.labels, units, score, None, study.choosing.folds, seed)
    choice = replace(choice, labelled_slides=len(np.unique(training.slides)))
    if choice.scores and units is training.patients:
        choice = replace(choice, how=BY_PATIENT)
    if not choice.scores:
        return choice, None
    return choice, _held_out(folder, candidates.index(choice.candidate), known)


def units_of(training: PatchTable) -> NDArray[np.str_]:
    """What is held out whole, by patch: patients, where each class has two or more with slides of it alone.

    Else slides: a patient of two classes cannot be held out of one of them, and the only one of a class
    would leave nothing of it to train on.
    """
    patients = training.patients
    if patients is None:
        return training.slides
    of_class = [set(patients[training.labels == label]) for label in np.unique(training.labels)]
    alone = sum(map(len, of_class)) == len(set(patients))
    return patients if alone and min(map(len, of_class)) > 1 else training.slides


def clear(folder: Path) -> None:
    """Removes the trainings of a choice."""
    shutil.rmtree(folder, ignore_errors=True)


def _name(candidate: int, fold: Fold) -> str:
    return f'setting{candidate}-held{int(fold.held_out[0])}x{len(fold.held_out)}'


def _try(
    candidate: Candidate,
    fold: Fold,
    study: Study,
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
    slides = predictions.by_slide(study.aggregation, study.top_k)
    found = classification_metrics(slides.labels, slides.probabilities, slides.classes)
    # Many settings are right on the few slides held out: the likelihood of the truth decides between them,
    # scaled to be worth less than one slide of all those that are held out in turn.
    truth = slides.probabilities[np.arange(len(slides)), slides.labels].astype(np.float64)
    likelihood = np.log(np.clip(truth, LEAST, 1)).mean() / -np.log(LEAST)  # -1 to 0
    most = max(count.slides for count in training.counts().values())
    share = 1 / (2 * len(training.classes) * most)
    return float(found['balanced_accuracy']) + float(likelihood) * share


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
