"""The results of probing as plain values: metrics, their intervals, the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from cite.baselines import majority
from cite.evaluation.metrics import classification_metrics, evaluate
from cite.evaluation.predictions import Predictions
from cite.probing.mixed import mixed_slides
from cite.probing.protocols import Protocol
from cite.probing.run import Probed
from cite.probing.sets import Sets
from cite.statistics.bootstrap import interval
from cite.statistics.paired import paired_difference

METRICS = ('balanced_accuracy', 'accuracy', 'macro_f1', 'auroc')
LEVELS = ('patch', 'slide', 'patient')
MAJORITY = 'majority'


def results_of(
    probed: Sequence[Probed],
    sets: Sets,
    protocol: Protocol,
    notes: Sequence[str] = (),
    ordered: bool = False,
) -> dict[str, Any]:
    """What `results.json` holds: the first model's metrics at each level, those of others as baselines.

    Args:
        probed: The model, then what it is compared with.
        sets: Train, validation, test.
        protocol: Of all.
        notes: What a reader should know besides.
        ordered: Whether the order of the classes is that of grades. Quadratic kappa is None without one
            (of two classes it does not depend on it).

    Returns:
        'patch' and, where defined, 'slide' and 'patient' as `cite.evaluation.evaluate` gives them;
        'left_out' (level or metric → why);
        'intervals'; 'choice'; 'baselines' (each with the same); 'differences' (model minus baseline);
        'sets', 'protocol', 'measured_on', 'notes'.
    """
    model, *others = probed
    where = 'validation' if sets.test is None else 'test'
    ordered = ordered or len(model.predictions.classes) == 2
    own = _of_one(model, ordered)
    baselines = {one.name: {'title': one.name, **_of_one(one, ordered)} for one in others}
    unit = 'patches' if sets.train.has_mixed_slides else 'slides'
    baselines[MAJORITY] = {
        'title': f'majority class of the training {unit}',
        **measure(majority_predictions(sets), ordered),
    }
    return {
        'title': f'{model.name}: linear probe ({protocol.name}), {where} set',
        **own,
        'baselines': baselines,
        'differences': {
            one.name: {
                level: asdict(
                    paired_difference(
                        [model.predictions],
                        [one.predictions],
                        'balanced_accuracy',
                        level,
                        names=(model.name, one.name),
                    )
                )
                for level in LEVELS
                if level in own
            }
            for one in others
        },
        'protocol': protocol.record(),
        'sets': sets.counts(),
        'measured_on': where,
        'left_out': _left_out(model.predictions, ordered),
        'notes': [*notes, *(f'{one.name}: {note}' for one in probed for note in one.notes)],
    }


def majority_predictions(sets: Sets) -> Predictions:
    """What the majority class of the training slides says of the measured patches.

    Of the training patches, where slides hold several classes.
    """
    unseen = (sets.validation if sets.test is None else sets.test).table
    train = sets.train.table
    if sets.train.has_mixed_slides:
        train = replace(train, slides=train.files)
    return Predictions(
        files=unseen.files.tolist(),
        labels=unseen.labels,
        probabilities=majority.probabilities(train, unseen, False),
        slides=unseen.slides.tolist(),
        classes=unseen.classes,
        patients=None if unseen.patients is None else unseen.patients.tolist(),
    )


def measure(predictions: Predictions, ordered: bool) -> dict[str, dict[str, Any]]:
    """Level → metrics: patches alone where a slide holds patches of several classes.

    Args:
        predictions: Of patches.
        ordered: Whether quadratic kappa means something; it is None else.
    """
    if mixed_slides(predictions.slides, predictions.labels):
        values = predictions.labels, predictions.probabilities, predictions.classes
        found = {'patch': classification_metrics(*values)}
    else:
        found = evaluate(predictions)
    if not ordered:
        found = {level: {**one, 'quadratic_kappa': None} for level, one in found.items()}
    return found


def _left_out(predictions: Predictions, ordered: bool) -> dict[str, str]:
    found = {}
    mixed = mixed_slides(predictions.slides, predictions.labels)
    if mixed:
        found['slide'] = (
            f'no results of slides: {len(mixed)} of {len(set(predictions.slides))} hold patches of several '
            f'classes, such as {mixed[0]}'
        )
    if not ordered:
        found['quadratic_kappa'] = (
            'left out: it weighs errors by the distance between grades, and no order of classes was given '
            '(--classes)'
        )
    return found


def shots_record(curves: Mapping[str, Mapping[int, list[Predictions]]]) -> list[dict[str, Any]]:
    """One row for each model, k, level and metric: mean over draws, its interval, every draw's value."""
    rows = []
    for name, curve in curves.items():
        for k, runs in curve.items():
            metrics = [evaluate(run) for run in runs]
            for level in (level for level in LEVELS if level in metrics[0]):
                for metric in METRICS:
                    found = interval(runs, metric, level)
                    rows.append(
                        {
                            'model': name,
                            'shots': k,
                            'level': level,
                            'metric': metric,
                            'mean': found.estimate,
                            'low': found.low,
                            'high': found.high,
                            'draws': [one[level][metric] for one in metrics],
                        }
                    )
    return rows


def _of_one(probed: Probed, ordered: bool) -> dict[str, Any]:
    metrics = measure(probed.predictions, ordered)
    return {
        'model': probed.name,
        **metrics,
        'intervals': {
            level: {metric: _interval(probed.predictions, metric, level) for metric in METRICS}
            for level in metrics
        },
        'choice': {
            'value': probed.choice.value,
            'metric': probed.choice.metric,
            'score': probed.choice.score,
            'tried': len(probed.choice.tried),
            'at_the_edge': probed.choice.at_the_edge,
        },
        'probe': {key: value for key, value in probed.probe.about.items() if key != 'features'},
        'features': probed.probe.about['features'],
        'seconds': round(probed.seconds, 2),
    }


def _interval(predictions: Predictions, metric: str, level: str) -> dict[str, Any]:
    found = asdict(interval([predictions], metric, level))
    return {key: found[key] for key in ('estimate', 'low', 'high', 'confidence', 'unit', 'note')}
