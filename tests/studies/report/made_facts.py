"""Facts of a study that no folder holds, for parts of a report that need only them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cite.evaluation.predictions import Predictions
from cite.studies.description import Choosing, Method, Study
from cite.studies.record import DONE, FAILED, RunRecord
from cite.studies.report import numbers
from cite.studies.report.facts import Facts
from cite.studies.report.gather import Material, Run
from cite.studies.report.stains import Stains
from cite.studies.report.summary import summarise
from cite.studies.run_key import RunKey


def made_facts(
    quality: Mapping[str, float],
    classes: Sequence[str] = ('a', 'b', 'c'),
    slides: int = 12,
    shots: Sequence[str] = ('2',),
    splits: int = 2,
    patients: bool = False,
    temperature: float | None = 1.3,
    how: str = 'leave-one-slide-out',
    factors: Mapping[str, Mapping[str, str]] | None = None,
    failed: Sequence[RunKey] = (),
    stains: Stains | None = None,
) -> Facts:
    """`slides` slides per class of one patch each; a method's logits lie `quality` above noise.

    Methods whose names start with 'colour' are baselines.
    """
    methods = tuple(
        Method(name, baseline='colour')
        if name.startswith('colour')
        else Method(name, config='x', factors=(factors or {}).get(name, {}))
        for name in quality
    )
    study = Study('made', methods, tuple(shots), tuple(range(splits)), (0,), Choosing(3))
    labels = np.repeat(np.arange(len(classes)), slides)
    names = [f's{i:03d}' for i in range(len(labels))]
    runs = []
    for number, key in enumerate(study.runs()):
        if key in failed:
            runs.append(
                Run(key, FAILED, RunRecord(key, 'd', FAILED, error='no memory'), 'no memory')
            )
            continue
        rng = np.random.default_rng([number, 5])
        logits = rng.normal(size=(len(labels), len(classes)))
        logits[np.arange(len(labels)), labels] += quality[key.method]
        p = np.exp(logits)
        predictions = Predictions(
            names,
            labels,
            p / p.sum(axis=1, keepdims=True),
            names,
            tuple(classes),
            names if patients else None,
        )
        record = RunRecord(
            key,
            'd',
            DONE,
            seconds={'training': 2.0},
            trained_parameters=1000,
            choice={'how': how},
            temperature=temperature,
        )
        tables = numbers.by_level(predictions, 'mean', 10)
        scaled = {}
        if temperature is not None:
            scaled = numbers.by_level(numbers.scaled(predictions, temperature), 'mean', 10)
        metrics = {
            level: numbers.run_metrics(table, scaled.get(level)) for level, table in tables.items()
        }
        runs.append(Run(key, DONE, record, '', metrics, tables, scaled))
    material = Material(Path('nowhere'), study, tuple(runs), tuple(classes), True)
    return Facts(material, summarise(material, progress=False), stains or Stains())
