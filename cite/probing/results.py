"""The results of probing as plain values: metrics, their intervals, the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cite.baselines import majority
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.probing.protocols import Protocol
from cite.probing.run import Probed
from cite.probing.sets import Sets
from cite.statistics.bootstrap import interval
from cite.statistics.paired import paired_difference

METRICS = ('balanced_accuracy', 'accuracy', 'macro_f1', 'auroc')
LEVELS = ('patch', 'slide', 'patient')
MAJORITY = 'majority'


def results_of(
    probed: Sequence[Probed], sets: Sets, protocol: Protocol, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """What `results.json` holds: the first model's metrics at each level, those of others as baselines.

    Args:
        probed: The model, then what it is compared with.
        sets: Train, validation, test.
        protocol: Of all.
        notes: What a reader should know besides.

    Returns:
        'patch', 'slide' and, where defined, 'patient' as `cite.evaluation.evaluate` gives them;
        'intervals'; 'choice'; 'baselines' (each with the same); 'differences' (model minus baseline);
        'sets', 'protocol', 'measured_on', 'notes'.
    """
    model, *others = probed
    where = 'validation' if sets.test is None else 'test'
    own = _of_one(model)
    baselines = {one.name: {'title': one.name, **_of_one(one)} for one in others}
    baselines[MAJORITY] = {
        'title': 'majority class of the training slides',
        **evaluate(majority_predictions(sets)),
    }
    return {
        'title': f'{model.name}: linear probe ({protocol.name}), {where} set',
        **own,
        'baselines': baselines,
        'differences': {
            one.name: _differences(model.predictions, one.predictions, (model.name, one.name))
            for one in others
        },
        'protocol': protocol.record(),
        'sets': sets.counts(),
        'measured_on': where,
        'notes': [*notes, *(f'{one.name}: {note}' for one in probed for note in one.notes)],
    }


def majority_predictions(sets: Sets) -> Predictions:
    """What the majority class of the training slides says of the measured patches."""
    unseen = (sets.validation if sets.test is None else sets.test).table
    return Predictions(
        files=unseen.files.tolist(),
        labels=unseen.labels,
        probabilities=majority.probabilities(sets.train.table, unseen, False),
        slides=unseen.slides.tolist(),
        classes=unseen.classes,
        patients=None if unseen.patients is None else unseen.patients.tolist(),
    )


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


def _of_one(probed: Probed) -> dict[str, Any]:
    metrics = evaluate(probed.predictions)
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


def _differences(a: Predictions, b: Predictions, names: tuple[str, str]) -> dict[str, Any]:
    levels = [level for level in LEVELS if level != 'patient' or a.has_patient_level]
    return {
        level: asdict(paired_difference([a], [b], 'balanced_accuracy', level, names=names))
        for level in levels
    }
