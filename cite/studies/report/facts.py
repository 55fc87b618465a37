"""What every part of a report is written from."""

from __future__ import annotations

from dataclasses import dataclass, field

from cite.studies.record import DONE
from cite.studies.report.gather import MAIN_LEVEL, Material, Run
from cite.studies.report.stains import Stains
from cite.studies.report.summary import Summary
from cite.studies.run_key import RunKey


@dataclass(frozen=True)
class Facts:
    """Runs and what they come to.

    Attributes:
        material: The study and its runs.
        summary: Means, intervals, comparisons.
        stains: The best method by groups of stain.
    """

    material: Material
    summary: Summary
    stains: Stains = field(default_factory=Stains)

    @property
    def units(self) -> int:
        """Evaluation slides."""
        return len(self.material.done[0].tables[MAIN_LEVEL])

    def at_most_shots(self) -> dict[str, list[Run]]:
        """Method → finished runs at the largest shots; methods without one are left out."""
        found = {name: self.material.of(name, self.material.most) for name in self.material.methods}
        return {name: runs for name, runs in found.items() if runs}

    def leading(self, count: int) -> dict[str, list[Run]]:
        """As `at_most_shots`, but the `count` best only, and all baselines; in the study's order."""
        found = self.at_most_shots()
        models = [name for name in found if not self.material.baseline(name)]
        ranked = sorted(models, key=lambda name: -self.mean(name))[:count]
        return {
            name: runs
            for name, runs in found.items()
            if name in ranked or self.material.baseline(name)
        }

    def mean(self, method: str) -> float:
        """Of the main metric at the largest shots; -1 where it is not defined."""
        cell = self.summary.of(method, self.material.most)
        return -1.0 if cell is None else cell.mean

    def not_done(self) -> list[RunKey]:
        """Runs without results."""
        return [run.key for run in self.material.runs if run.state != DONE]


def shots_text(*shots: str) -> str:
    """'k = 4', 'k = 1, 2, all training slides'."""
    numbers = ', '.join(one for one in shots if one != 'all')
    parts = [f'k = {numbers}'] if numbers else []
    return ', '.join(parts + ['all training slides'] * ('all' in shots))


def counted(number: int, what: str) -> str:
    """'1 run', '5 runs'."""
    return f'{number:,} {what}' + ('' if number == 1 else 's')
