"""Runs put together: means, spreads and intervals of each method, and paired differences between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cite.studies.report import inference, numbers
from cite.studies.report.gather import MAIN_LEVEL, MAIN_METRIC, Material, Run
from cite.studies.report.table import write_csv


@dataclass(frozen=True)
class Cell:
    """A metric of a method at some shots, over its runs.

    Attributes:
        mean: Over the runs that define the metric.
        std: Over runs, with n - 1; None of one run.
        runs: How many.
        low: Of the 95 % interval; None where it was not computed.
        high: As `low`.
    """

    method: str
    shots: str
    level: str
    metric: str
    mean: float
    std: float | None
    runs: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A paired difference of two methods at the same shots, over draws that both have.

    Attributes:
        shots: Of both.
        level: Of the metric.
        metric: Which.
        difference: `method` minus `reference`.
        low: Of its 95 % interval.
        high: As `low`.
        p: Of no difference, over draws of training slides and evaluation units.
        p_holm: Adjusted for all comparisons of these shots with this reference.
        p_wilcoxon: Of the signed-rank test over units, which takes the trainings as they are.
        p_wilcoxon_holm: Adjusted likewise.
        draws: Draws of training slides that both have.
    """

    shots: str
    level: str
    metric: str
    method: str
    reference: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_wilcoxon: float
    p_wilcoxon_holm: float
    draws: int


Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Summary:
    """What runs come to together.

    Attributes:
        cells: (method, shots, level, metric) → values.
        reference: The method that others are compared with.
        best: The model with the highest main metric at the largest shots.
        comparisons: With `reference`, at all shots.
        to_best: With `best`, at the largest shots.
    """

    cells: Mapping[Key, Cell]
    reference: str
    best: str
    comparisons: Sequence[Comparison]
    to_best: Sequence[Comparison]

    def of(
        self, method: str, shots: str, metric: str = MAIN_METRIC, level: str = MAIN_LEVEL
    ) -> Cell | None:
        """One cell; None where no run defines it."""
        return self.cells.get((method, shots, level, metric))


def summarise(material: Material, progress: bool = True) -> Summary:
    """Means, intervals and comparisons of all finished runs.

    The reference is the first method of the study that is no baseline: it is named before any result
    is known.
    """
    from tqdm import tqdm

    cells: dict[Key, Cell] = {}
    groups = [
        (method, shots, level)
        for method in material.methods
        for shots in material.shots
        for level in material.levels
    ]
    for group in tqdm(groups, desc='intervals', delay=2, disable=not progress):
        method, shots, level = group
        for cell in _cells(method, shots, level, material.of(method, shots)):
            cells[method, shots, level, cell.metric] = cell
    models = [name for name in material.methods if not material.baseline(name)]
    candidates = models or material.methods
    reference = candidates[0]
    here = [name for name in candidates if material.of(name, material.most)]
    best = max(
        here or [reference],
        key=lambda name: _mean(cells.get((name, material.most, MAIN_LEVEL, MAIN_METRIC))),
    )
    comparisons = [
        one for shots in material.shots for one in compare(material, shots, reference, MAIN_METRIC)
    ]
    to_best = (
        [one for one in comparisons if one.shots == material.most]
        if best == reference
        else compare(material, material.most, best, MAIN_METRIC)
    )
    return Summary(cells, reference, best, comparisons, to_best)


def compare(material: Material, shots: str, reference: str, metric: str) -> list[Comparison]:
    """All methods with one of them at some shots, at the main level; none where it has no runs."""
    tables = {
        method: {
            (run.key.split_seed, run.key.seed): run.tables[MAIN_LEVEL]
            for run in material.of(method, shots)
        }
        for method in material.methods
    }
    tables = {method: found for method, found in tables.items() if found}
    if reference not in tables or len(tables) < 2:
        return []
    return [
        Comparison(
            shots,
            MAIN_LEVEL,
            metric,
            one.method,
            reference,
            one.estimate,
            one.low,
            one.high,
            one.p,
            one.p_holm,
            one.p_wilcoxon,
            one.p_wilcoxon_holm,
            one.draws,
        )
        for one in inference.compare(tables, reference, metric, MAIN_LEVEL)
    ]


def write_summary(summary: Summary, folder: Path) -> list[Path]:
    """As `summary.csv` and `comparisons.csv`."""
    write_csv(
        folder / 'summary.csv',
        list(Cell.__dataclass_fields__),
        [asdict(cell) for cell in summary.cells.values()],
    )
    comparisons = list(summary.comparisons)
    comparisons += [one for one in summary.to_best if one not in comparisons]
    write_csv(
        folder / 'comparisons.csv',
        list(Comparison.__dataclass_fields__),
        [asdict(one) for one in comparisons],
    )
    return [folder / 'summary.csv', folder / 'comparisons.csv']


def _cells(method: str, shots: str, level: str, runs: Sequence[Run]) -> list[Cell]:
    """All metrics that some run defines; intervals where every run does."""
    values = {
        metric: [v for run in runs if (v := run.metrics[level][metric]) is not None]
        for metric in numbers.COLUMNS
    }
    intervals: dict[str, inference.Interval] = {}
    if runs and level in runs[0].tables:
        tables = {(run.key.split_seed, run.key.seed): run.tables[level] for run in runs}
        asked = [name for name in inference.WITH_INTERVALS if len(values[name]) == len(runs)]
        intervals = inference.intervals(tables, asked, level)
    cells = []
    for metric, found in values.items():
        if found:
            std = float(np.std(found, ddof=1)) if len(found) > 1 else None
            interval = intervals.get(metric)
            ends = (None, None) if interval is None else (interval.low, interval.high)
            cells.append(
                Cell(method, shots, level, metric, float(np.mean(found)), std, len(found), *ends)
            )
    return cells


def _mean(cell: Cell | None) -> float:
    return -np.inf if cell is None else cell.mean
