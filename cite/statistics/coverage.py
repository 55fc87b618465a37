"""How often the intervals hold and the tests err, as measured on simulated few-shot studies.

`coverage.json` is what `tools/bench/coverage.py` wrote; it says how the studies were drawn. Real studies
differ from them, so a coverage is what to expect in a case of this size, not a promise.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cite.errors import ConfigError

TABLE = Path(__file__).with_name('coverage.json')


@dataclass(frozen=True)
class Measured:
    """A measured size of study; all its qualities and spreads of trainings together.

    Attributes:
        n_per_class: Evaluation slides of a class.
        runs: Runs. 1 is measured for the one training, not over trainings.
        coverage: Share of 95 % intervals that held the truth.
        error: Monte-Carlo standard error of that.
        lowest: The lowest coverage of a single quality and spread among them.
        replications: Simulated studies behind `coverage`.
    """

    n_per_class: int
    runs: int
    coverage: float
    error: float
    lowest: float
    replications: int


@lru_cache(maxsize=1)
def coverage_table() -> dict[str, Any]:
    """What the program wrote: 'settings', 'coverage' (rows of intervals) and 'tests' (rows of tests)."""
    return json.loads(TABLE.read_text(encoding='utf-8'))


def measured(n_per_class: int, runs: int, metric: str = 'balanced_accuracy') -> Measured | None:
    """The largest measured size with no more slides per class and no more runs; nothing is interpolated.

    None where nothing as small was measured.

    Raises:
        ConfigError: The metric was not measured.
    """
    table = coverage_table()
    rows = [row for row in table['coverage'] if row['metric'] == metric]
    if not rows:
        known = ', '.join(sorted({row['metric'] for row in table['coverage']}))
        raise ConfigError(f'The coverage of {metric!r} was not measured; there are: {known}.')
    sizes = {(row['runs'], row['n_per_class']) for row in rows}
    # one run is another question than several, so two runs do not fall back on it
    below = [
        s for s in sizes if s[0] <= runs and s[1] <= n_per_class and (s[0] == 1) == (runs == 1)
    ]
    if not below:
        return None
    found = max(below)
    cells = [row['coverage'] for row in rows if (row['runs'], row['n_per_class']) == found]
    mean = sum(cells) / len(cells)
    replications = table['settings']['replications'] * len(cells)
    return Measured(
        n_per_class=found[1],
        runs=found[0],
        coverage=mean,
        error=math.sqrt(mean * (1 - mean) / replications),
        lowest=min(cells),
        replications=replications,
    )


def measured_coverage(n_per_class: int, runs: int, metric: str = 'balanced_accuracy') -> float:
    """The coverage of `measured`; NaN where nothing as small was measured."""
    found = measured(n_per_class, runs, metric)
    return math.nan if found is None else found.coverage
