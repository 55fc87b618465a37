"""The choice of a setting, by held-out training slides or by preset, and the record of it.

The evaluation set has no way in: what is judged by is a fold of the training slides, or slides that are
declared as validation and count among the labels that the method has used. (The published code of
Tip-Adapter-F takes the best epoch, alpha and beta by accuracy on the test set.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from cite.errors import ConfigError, DataError
from cite.experiments.choosing.candidates import Candidate
from cite.experiments.choosing.folds import Fold, leave_slides_out

PRESET, FOLDS, VALIDATION = 'preset', 'leave-one-slide-out', 'validation slides'

Score = Callable[[Candidate, Fold], float]
"""Trains with a setting on a fold's training part → how good it is on the rest; more is better."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what that took.

    Attributes:
        candidate: The setting.
        how: 'preset', 'leave-one-slide-out' or 'validation slides'.
        scores: Mean score of each setting that was tried, in order; empty under a preset.
        budget: Settings that the method was allowed to try.
        folds: Folds that each was tried on.
        labelled_slides: Slides whose labels took part: of training and, where declared, of validation.
    """

    candidate: Candidate
    how: str
    budget: int
    labelled_slides: int
    scores: list[float] = field(default_factory=list)
    folds: int = 0

    def record(self) -> dict[str, Any]:
        """As plain values, for results and adapters."""
        return asdict(self)


def choose(
    candidates: Sequence[Candidate],
    labels: np.ndarray,
    slides: np.ndarray,
    score: Score,
    validation: np.ndarray | None = None,
    most_folds: int | None = None,
    seed: int = 0,
) -> Choice:
    """The best of a method's settings, by its training slides.

    With one slide in some class: the preset (the first candidate), unless validation slides are declared.
    From two slides in every class: leave-one-slide-out (`leave_slides_out`). Ties go to the earlier one.

    Args:
        candidates: Settings, the preset first.
        labels: (N,) class of each labelled patch.
        slides: (N,) its slide.
        score: Trains and judges, see `Score`. A setting whose score is no number (a loss that diverged)
            is the worst.
        validation: (N,) bool: patches of slides that are declared for choosing. They are then all that is
            judged by, and none is trained on while choosing.
        most_folds: See `leave_slides_out`.
        seed: Of the folds.

    Raises:
        ConfigError: No candidates.
        DataError: A slide on both sides, or validation slides without training slides.
    """
    if not candidates:
        raise ConfigError('there are no candidates to choose from')
    labels, slides = np.asarray(labels), np.asarray(slides)
    labelled = len(np.unique(slides))
    if validation is not None:
        how, folds = VALIDATION, [_declared(slides, np.asarray(validation, bool))]
    elif min(len(np.unique(slides[labels == label])) for label in np.unique(labels)) < 2:
        return Choice(candidates[0], PRESET, len(candidates), labelled)
    else:
        how, folds = FOLDS, leave_slides_out(labels, slides, most_folds, seed)
    if len(candidates) == 1:  # nothing to try
        return Choice(candidates[0], PRESET, 1, labelled)
    scores = [float(np.mean([score(each, fold) for fold in folds])) for each in candidates]
    best = int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
    return Choice(candidates[best], how, len(candidates), labelled, scores, len(folds))


def _declared(slides: np.ndarray, validation: np.ndarray) -> Fold:
    if not validation.any() or validation.all():
        raise DataError(
            'validation: some patches must be declared for it, and some be left to train on'
        )
    both = sorted(set(slides[validation]) & set(slides[~validation]))
    if both:
        raise DataError(
            f'validation: slide {both[0]} is declared for it and trained on as well; declare whole slides'
        )
    return Fold(np.flatnonzero(~validation), np.flatnonzero(validation))
