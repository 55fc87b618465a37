"""A probe from features to predictions: choose, fit, predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from cite.evaluation.predictions import Predictions
from cite.probing.choice import Choice, choose_regularisation
from cite.probing.fit import fit_probe
from cite.probing.probe import Probe
from cite.probing.protocols import CITE, Protocol, find_protocol
from cite.probing.sets import Part, Sets, few_shots


@dataclass(frozen=True, eq=False)
class Probed:
    """What came of one model's features.

    Attributes:
        name: Of the model.
        choice: Of the regularisation.
        probe: The final one: fitted anew on training and validation patches where the protocol says so.
        predictions: Of the test patches; of the validation patches, by the probe that has not seen
            them, where there is no test set.
        seconds: Of choosing and fitting.
        notes: What a reader should know.
    """

    name: str
    choice: Choice
    probe: Probe
    predictions: Predictions
    seconds: float
    notes: list[str] = field(default_factory=list)


def probe(
    features: np.ndarray,
    sets: Sets,
    protocol: str | Protocol = CITE,
    name: str = 'model',
    about: Mapping[str, Any] | None = None,
    refit: bool | None = None,
    progress: bool = False,
) -> Probed:
    """Probes the features of one model.

    Args:
        features: (N, D), of the patches of all sets, in memory or mapped.
        sets: Which rows train, choose and test; `Sets.check` is called.
        protocol: One of `PROTOCOLS`, or its name.
        name: Of the model.
        about: What the probe's file says of it.
        refit: Fit the final probe on training and validation patches together; default: as the protocol
            does.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: Sets that share slides, patients or files; a class that training lacks; features that are
            not finite.
        ConfigError: An unknown protocol.
    """
    protocol = find_protocol(protocol)
    sets.check()
    start = perf_counter()
    classes = sets.train.table.classes
    train, validation = sets.train.samples(features), sets.validation.samples(features)
    choice = choose_regularisation(train, validation, None, classes, protocol, progress)
    final = choice.probe
    refit = protocol.refit if refit is None else refit
    if refit and sets.test is not None:
        final = fit_probe(train.joined(validation), None, choice.value, classes, protocol)
    seconds = perf_counter() - start
    said = {
        **final.about,
        'model': name,
        'chosen_by': choice.metric,
        'validation_score': choice.score,
        'features': dict(about or {}),
    }
    final = replace(final, about=said)
    unseen = sets.validation if sets.test is None else sets.test
    notes = _notes(protocol, choice, final)
    return Probed(name, choice, final, predictions_of(final, features, unseen), seconds, notes)


def shot_curve(
    features: np.ndarray,
    sets: Sets,
    shots: list[int],
    seeds: int = 5,
    protocol: str | Protocol = CITE,
    name: str = 'model',
    progress: bool = False,
) -> dict[int, list[Predictions]]:
    """Predictions of probes that were trained on k slides of each class: k → one for each seed's draw.

    C is chosen by at most k validation slides of each class, and the probe is not fitted again with them.

    Raises:
        DataError: As `probe`, or a class with fewer slides than shots.
    """
    from tqdm import tqdm

    runs = [(k, seed) for k in sorted(set(shots)) for seed in range(seeds)]
    found: dict[int, list[Predictions]] = {k: [] for k, _ in runs}
    for k, seed in tqdm(runs, f'{name}, shots', unit='fit', delay=2, disable=not progress):
        few = few_shots(sets, k, seed)
        found[k].append(probe(features, few, protocol, name, refit=False).predictions)
    return found


def predictions_of(fitted: Probe, features: np.ndarray, part: Part) -> Predictions:
    """Of the patches of a set."""
    table = part.table
    return Predictions(
        files=table.files.tolist(),
        labels=table.labels,
        probabilities=fitted.probabilities(part.samples(features)),
        slides=table.slides.tolist(),
        classes=table.classes,
        patients=None if table.patients is None else table.patients.tolist(),
    )


def _notes(protocol: Protocol, choice: Choice, final: Probe) -> list[str]:
    notes = []
    late = [one.value for one in choice.tried if not one.converged]
    if late:
        notes.append(
            f'the solver stopped at its limit of {protocol.max_iter} iterations before it had converged, '
            f'at {len(late)} of {len(choice.tried)} values of {protocol.varied}'
        )
    if not final.about['converged']:
        notes.append(
            f'the final probe has not converged in {protocol.max_iter} iterations: its weights depend on '
            'where the solver stopped'
        )
    if choice.at_the_edge:
        notes.append(
            f'{protocol.varied} = {choice.value:g} is at the edge of what was tried; a better one may lie '
            'beyond'
        )
    return notes
