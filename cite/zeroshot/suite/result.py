"""What a suite gives: a result per data set, averages per modality, an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

Status = Literal['scored', 'failed', 'missing']


@dataclass(frozen=True)
class SetResult:
    """One data set.

    Attributes:
        name, title, modality, metric: Of the entry.
        status: 'scored', 'failed' (it is there, and something in it is wrong) or 'missing'.
        reason: Why it is not scored; '' where it is.
        value: Its metric, a fraction; None where it has none.
        interval: Ends of a 95 % interval of an accuracy, as if images were independent.
        metrics: accuracy, balanced_accuracy, macro_f1, auroc of images.
        n, classes: Images and classes.
        majority: Share of the most frequent class: what the accuracy must beat.
        skipped: Images that could not be read and were left out.
        prompts: 'published' or the prompt set that was used.
        where: Folder of the data.
        kept: Whether it was taken over from an earlier run.
    """

    name: str
    title: str
    modality: str
    metric: str
    status: Status
    reason: str = ''
    value: float | None = None
    interval: tuple[float, float] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    n: int = 0
    classes: int = 0
    majority: float | None = None
    skipped: int = 0
    prompts: str = ''
    where: str = ''
    kept: bool = field(default=False, compare=False)


class Average(NamedTuple):
    """A mean over the data sets that have a value.

    Attributes:
        modality: Or 'all'.
        value: Mean of their metrics; None where none has one.
        scored, total: Data sets that have a value, and data sets in the suite.
        metrics: The metrics that went into it.
    """

    modality: str
    value: float | None
    scored: int
    total: int
    metrics: tuple[str, ...]

    @property
    def of(self) -> str:
        """'3/8'."""
        return f'{self.scored}/{self.total}'


@dataclass(frozen=True)
class SuiteResult:
    """All data sets of a suite.

    Attributes:
        suite: Its name.
        model: Name of the space.
        sets: In the order of the suite.
        out: Folder of the results.
    """

    suite: str
    model: str
    sets: tuple[SetResult, ...]
    out: Path

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of the suite."""
        return tuple(dict.fromkeys(one.modality for one in self.sets))

    @property
    def averages(self) -> tuple[Average, ...]:
        """One per modality."""
        return tuple(
            average(modality, [one for one in self.sets if one.modality == modality])
            for modality in self.modalities
        )

    @property
    def overall(self) -> Average:
        """Over data sets, so that a modality counts as often as it has some."""
        return average('all', self.sets)

    @property
    def exit_code(self) -> int:
        """0: all that were found are scored; 1: some failed; 2: all that were found failed."""
        failed = sum(one.status == 'failed' for one in self.sets)
        scored = sum(one.status == 'scored' for one in self.sets)
        return 0 if not failed else 1 if scored else 2

    def lines(self) -> list[str]:
        """The table and the averages, for a terminal."""
        width = max(len(one.name) for one in self.sets)
        lines = [f'{self.model} on {self.suite}, zero-shot']
        for own in self.averages:
            lines.append(f'{own.modality}: {_mean(own)}')
            for one in self.sets:
                if one.modality == own.modality:
                    lines.append(f'  {one.name:<{width}}  {_line(one)}')
        lines.append(f'average of the data sets found: {_mean(self.overall)}')
        for status, told in (('missing', 'not found'), ('failed', 'failed')):
            names = [one.name for one in self.sets if one.status == status]
            if names:
                lines.append(f'{told}: {len(names)} of {len(self.sets)} ({", ".join(names)})')
        return [*lines, f'written: {self.out}']


def average(modality: str, sets: Sequence[SetResult]) -> Average:
    """The mean of the metrics of those that have one."""
    there = [(one.value, one.metric) for one in sets if one.value is not None]
    values = [value for value, _ in there]
    return Average(
        modality,
        sum(values) / len(values) if values else None,
        len(values),
        len(sets),
        tuple(sorted({metric for _, metric in there})),
    )


def percent(value: float | None) -> str:
    """A fraction as a percentage with one decimal, '-' for None."""
    return '-' if value is None else f'{100 * value:.1f}'


def plain(one: SetResult | Average) -> dict[str, Any]:
    """Plain values for JSON."""
    values = one._asdict() if isinstance(one, Average) else dict(vars(one))
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in values.items()
    }


def _mean(own: Average) -> str:
    mixed = f' (of {" and ".join(own.metrics)})' if len(own.metrics) > 1 else ''
    return f'{percent(own.value)}{mixed}, {own.of} data sets'


def _line(one: SetResult) -> str:
    if one.status != 'scored':
        told = 'not found' if one.status == 'missing' else 'failed'
        return f'{told}: {one.reason}'
    ends = ''
    if one.interval is not None:
        ends = f' [{percent(one.interval[0])}, {percent(one.interval[1])}]'
    left_out = f', {one.skipped} left out' if one.skipped else ''
    return (
        f'{percent(one.value)}{ends} {one.metric}, {one.n:,} images, {one.classes} classes, '
        f'most frequent class {percent(one.majority)}, prompts {one.prompts}{left_out}'
    )
