"""Filters in a row: each sees what those before it left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.quality.collection import Collection
from cite.quality.filters import build_filter
from cite.quality.filters.base import Filter, Verdict
from cite.quality.material import Material


@dataclass(frozen=True, eq=False)
class Step:
    """One filter's work.

    Attributes:
        filter: The filter.
        rows: Rows of the collection that it was given.
        verdict: What it said of them.
    """

    filter: Filter
    rows: NDArray[np.int64]
    verdict: Verdict

    @property
    def entered(self) -> int:
        """How many rows came."""
        return len(self.rows)

    @property
    def dropped(self) -> int:
        """How many did not pass."""
        return int((~self.verdict.keep).sum())

    def by_reason(self) -> dict[str, int]:
        """Reason → rows, the most frequent first."""
        counts = Counter(reason for reason in self.verdict.reasons if reason)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a collection.

    Attributes:
        collection: All its rows.
        steps: Filters in order.
        kept: Rows that passed all of them, in order.
        notes: What a reader should know of the whole.
    """

    collection: Collection
    steps: Sequence[Step]
    kept: NDArray[np.int64]
    notes: Sequence[str] = ()


def run_filters(material: Material, filters: Sequence[Filter]) -> Outcome:
    """Asks each filter, in the order of `Filter.place`. What is missing for one is told before any work is
    done.

    Where a filter looks at pictures, unreadable ones go first, by the filter `unreadable` in its defaults
    unless it is among those given.

    Raises:
        ConfigError: No filters, one that is given twice, one of captions for a collection without; or as
            the filters' `check`.
    """
    collection = material.collection
    names = [one.name for one in filters]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not filters or twice:
        raise ConfigError(f'expected filters, each once, found {", ".join(names) or "none"}')
    ordered = sorted(filters, key=lambda one: one.place)
    if any(one.needs_images for one in ordered) and 'unreadable' not in names:
        ordered = [build_filter('unreadable'), *ordered]
    for one in ordered:
        if one.needs_captions and collection.captions is None:
            raise ConfigError(
                f'the filter {one.name} reads captions, and {collection.source} has none; give a manifest '
                'with them (--captions-column names the column), or name other filters (--filters)'
            )
    for one in ordered:
        one.check(material)
    rows = np.arange(len(collection), dtype=np.int64)
    steps = []
    for one in ordered:
        verdict = one.judge(material, rows)
        steps.append(Step(one, rows, verdict))
        rows = rows[verdict.keep]
    notes = []
    if not len(rows):
        notes.append('No row is left: kept.csv has a header and nothing else.')
    return Outcome(collection, steps, rows, notes)
