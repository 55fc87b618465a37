"""How often the intervals of cite.statistics hold and its tests err, on simulated few-shot studies.

    python tools/bench/coverage.py --out cite/statistics/coverage.json

A simulated study has three classes with equally many slides. The logits of a slide are the sum of what is
the slide's own (the same for every method and training), what is the slide's in this method, what is this
training's (a shift of each class, and of the true class; half of its variance is the same for all methods,
as split seeds are), noise of slide and training, and the method's quality on the true class. The truth is
the metric's mean over trainings and slides, from a population of the same model. Takes about ten minutes
on one core.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cite.atomic import write_json
from cite.statistics.bootstrap import replicates, table_interval
from cite.statistics.paired import compare_tables
from cite.statistics.units import RunTable

CLASSES = 3


@dataclass(frozen=True)
class Settings:
    """What is simulated; standard deviations are those of logits.

    Attributes:
        qualities: Of the method, on the true class: accuracies of about 0.6, 0.8, 0.9 and 0.97.
        between_runs: Of trainings: small and large.
    """

    replications: int = 250
    test_replications: int = 500
    samples: int = 1000
    seed: int = 0
    population: int = 600_000
    confidence: float = 0.95
    qualities: tuple[float, ...] = (1.2, 2.2, 3.0, 4.2)
    between_runs: tuple[float, ...] = (0.2, 0.5)
    slide: float = 1.0
    slide_in_method: float = 0.5
    slide_in_run: float = 0.7
    sharpness: float = 1.5
    n_per_class: tuple[int, ...] = (5, 10, 15, 20, 30, 50, 100)
    runs: tuple[int, ...] = (1, 2, 3, 5, 10)
    auroc_n_per_class: tuple[int, ...] = (10, 30, 100)
    auroc_runs: tuple[int, ...] = (5,)
    test_n_per_class: tuple[int, ...] = (10, 30, 100)
    test_runs: tuple[int, ...] = (3, 5, 10)
    test_qualities: tuple[float, ...] = (2.2, 3.0)
    test_between_runs: tuple[float, ...] = (0.0, 0.2, 0.5)


QUICK = Settings(
    replications=4,
    test_replications=4,
    samples=200,
    population=3000,
    qualities=(2.2,),
    between_runs=(0.2,),
    n_per_class=(5, 30),
    runs=(1, 5),
    auroc_n_per_class=(10,),
    test_n_per_class=(10,),
    test_runs=(3,),
    test_qualities=(2.2,),
    test_between_runs=(0.2,),
)


@dataclass(frozen=True, eq=False)
class Trainings:
    """(methods, S, classes + 1) effects of trainings: a shift of each class, and of the true one."""

    effects: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, methods: int, runs: int, sd: float) -> Trainings:
        both = rng.normal(0, sd * np.sqrt(0.5), (1, runs, CLASSES + 1))
        own = rng.normal(0, sd * np.sqrt(0.5), (methods, runs, CLASSES + 1))
        return cls(both + own)


def draw_logits(
    rng: np.random.Generator, n: int, quality: float, trainings: Trainings, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """(3 n,) labels, and (methods, S, 3 n, 3) logits of slides that are drawn anew."""
    methods, runs, _ = trainings.effects.shape
    labels = np.repeat(np.arange(CLASSES), n)
    shape = (len(labels), CLASSES)
    logits = (
        rng.normal(0, settings.slide, shape)
        + rng.normal(0, settings.slide_in_method, (methods, 1, *shape))
        + rng.normal(0, settings.slide_in_run, (methods, runs, *shape))
        + trainings.effects[:, :, None, :CLASSES]
    )
    logits[:, :, np.arange(len(labels)), labels] += quality + trainings.effects[:, :, None, -1]
    return labels, logits


def draw_tables(
    rng: np.random.Generator, n: int, quality: float, trainings: Trainings, settings: Settings
) -> list[RunTable]:
    """A table of runs per method, of one set of slides."""
    labels, logits = draw_logits(rng, n, quality, trainings, settings)
    scores = np.exp(settings.sharpness * (logits - logits.max(axis=-1, keepdims=True)))
    slides = [f's{i:04d}' for i in range(len(labels))]
    return [
        RunTable(
            rows=[(slide, slide) for slide in slides],
            labels=labels,
            probabilities=of_method / of_method.sum(axis=-1, keepdims=True),
            unit=np.arange(len(labels)),
            stratum=labels,
            unit_kind='slide',
            patients=None,
            classes=('a', 'b', 'c'),
            split_keys=list(range(len(of_method))),
            split_known=True,
        )
        for of_method in scores
    ]


def true_accuracy(quality: float, sd: float, settings: Settings) -> float:
    """Balanced accuracy over a population in which every slide meets a training of its own."""
    rng = seeded(settings, 4)
    n = settings.population // CLASSES
    labels, logits = draw_logits(rng, n, quality, Trainings.draw(rng, 1, 1, 0.0), settings)
    effects = Trainings.draw(rng, 1, len(labels), sd).effects[0]
    logits[0, 0] += effects[:, :CLASSES]
    logits[0, 0, np.arange(len(labels)), labels] += effects[:, -1]
    return float((logits[0, 0].argmax(axis=-1) == labels).mean())


def true_auroc(quality: float, sd: float, settings: Settings) -> float:
    """Mean one-vs-rest AUROC over trainings; it has no bias at any number of slides."""
    from scipy.stats import rankdata

    rng = seeded(settings, 5)
    n, values = 100, []
    for _ in range(max(1, settings.population // (CLASSES * n))):
        (table,) = draw_tables(rng, n, quality, Trainings.draw(rng, 1, 1, sd), settings)
        ranks = rankdata(table.probabilities[0], axis=0)
        sums = [ranks[table.labels == c, c].sum() for c in range(CLASSES)]
        values += [(s - n * (n + 1) / 2) / (n * n * (CLASSES - 1)) for s in sums]
    return float(np.mean(values))


@cache
def accuracy_of_one(quality: float, sd: float, number: int, settings: Settings) -> float:
    """Balanced accuracy over a population of the training of a study of one run."""
    trainings = trainings_of(quality, sd, number, 1, settings)
    rng = seeded(settings, 6)
    n = settings.population // (10 * CLASSES)
    labels, logits = draw_logits(rng, n, quality, trainings, settings)
    return float((logits.argmax(axis=-1) == labels).mean())


def trainings_of(
    quality: float, sd: float, number: int, runs: int, settings: Settings
) -> Trainings:
    """Those of a study, by its number: of cells that are averaged no two share a draw."""
    return Trainings.draw(seeded(settings, 1, number, runs, quality, sd), 1, runs, sd)


def seeded(settings: Settings, *key: float) -> np.random.Generator:
    """A generator of its own for each key of numbers with up to two decimals."""
    return np.random.default_rng([settings.seed, *(round(100 * k) for k in key)])


def measure_interval(
    metric: str, n: int, runs: int, quality: float, sd: float, truth: float, settings: Settings
) -> dict[str, Any]:
    """Coverage of one cell. One run is held against its own truth, and against that of all trainings."""
    held, over_trainings, plain, width = 0, 0, 0, 0.0
    for number in range(settings.replications):
        trainings = trainings_of(quality, sd, number, runs, settings)
        rng = seeded(settings, 2, number, n, runs, quality, sd)
        (table,) = draw_tables(rng, n, quality, trainings, settings)
        at = truth if runs > 1 else accuracy_of_one(quality, sd, number, settings)
        drawn = replicates(table, metric, settings.samples, 0)
        found = table_interval(
            table, metric, 'slide', settings.samples, 0, settings.confidence, drawn
        )
        assert found.low is not None and found.high is not None
        held += found.low <= at <= found.high
        over_trainings += found.low <= truth <= found.high
        width += found.high - found.low
        tails = (1 - settings.confidence) / 2, (1 + settings.confidence) / 2
        low, high = np.quantile(drawn.drawn.mean(axis=1), tails)
        plain += low <= at <= high
    total = settings.replications
    return {
        'metric': metric,
        'n_per_class': n,
        'runs': runs,
        'between_runs': sd,
        'truth': round(truth, 4),
        'coverage': held / total,
        'over_trainings': over_trainings / total,
        'error': round(float(np.sqrt(held / total * (1 - held / total) / total)), 4),
        'width': round(width / total, 4),
        'slides_only_percentile': plain / total,
    }


def measure_tests(
    n: int, runs: int, quality: float, sd: float, settings: Settings, gap: float = 0.0
) -> dict[str, Any]:
    """Rejections at 5 % between two methods of equal quality (or `gap` apart)."""
    by_bootstrap, by_rank = 0, 0
    for number in range(settings.test_replications):
        rng = seeded(settings, 3, number, n, runs, quality, sd)
        trainings = Trainings.draw(rng, 2, runs, sd)
        trainings.effects[0, :, -1] += gap
        a, b = draw_tables(rng, n, quality, trainings, settings)
        (found,) = compare_tables(
            {'a': a, 'b': b}, None, 'balanced_accuracy', 'slide', settings.samples, 0, 0.95
        )
        by_bootstrap += found.p_bootstrap is not None and found.p_bootstrap < 0.05
        by_rank += found.p_wilcoxon < 0.05
    total = settings.test_replications
    return {
        'n_per_class': n,
        'runs': runs,
        'between_runs': sd,
        'quality': quality,
        'bootstrap': by_bootstrap / total,
        'wilcoxon': by_rank / total,
        'error': round(float(np.sqrt(0.05 * 0.95 / total)), 4),
    }


def measure(settings: Settings) -> dict[str, Any]:
    """The whole table."""
    cells = [
        (metric, *cell)
        for metric, ns, runs in (
            ('balanced_accuracy', settings.n_per_class, settings.runs),
            ('auroc', settings.auroc_n_per_class, settings.auroc_runs),
        )
        for cell in itertools.product(settings.qualities, settings.between_runs, runs, ns)
    ]
    truths = {
        (metric, quality, sd): truth_of(quality, sd, settings)
        for metric, truth_of in (('balanced_accuracy', true_accuracy), ('auroc', true_auroc))
        for quality, sd in itertools.product(settings.qualities, settings.between_runs)
    }
    s = settings
    tests = itertools.product(
        s.test_n_per_class, s.test_runs, s.test_qualities, s.test_between_runs
    )
    return {
        'program': 'tools/bench/coverage.py',
        'settings': asdict(settings),
        'coverage': [
            measure_interval(m, n, runs, q, sd, truths[m, q, sd], settings)
            for m, q, sd, runs, n in tqdm(cells, 'intervals')
        ],
        'tests': [measure_tests(*cell, settings) for cell in tqdm(list(tests), 'tests')],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0] if __doc__ else None)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench/coverage.json'))
    parser.add_argument('--quick', action='store_true', help='a few studies, to see that it runs')
    args = parser.parse_args()
    write_json(args.out, found := measure(QUICK if args.quick else Settings()))
    print(table(found))


def table(found: dict[str, Any]) -> str:
    """Markdown: coverage by slides per class and runs, mean over qualities and spreads (lowest cell)."""
    rows = [r for r in found['coverage'] if r['metric'] == 'balanced_accuracy']
    runs = sorted({row['runs'] for row in rows})
    lines = ['| slides per class | ' + ' | '.join(f'{r} runs' for r in runs) + ' |']
    lines += ['|---:' * (len(runs) + 1) + '|']
    for n in sorted({row['n_per_class'] for row in rows}):
        cells = []
        for r in runs:
            values = [x['coverage'] for x in rows if (x['n_per_class'], x['runs']) == (n, r)]
            cells.append(f'{100 * np.mean(values):.1f} ({100 * min(values):.1f})')
        lines.append(f'| {n} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
