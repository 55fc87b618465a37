"""What a filter is: rows in; kept or not, a reason and a score for each out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cite.registry import Registry

if TYPE_CHECKING:
    from cite.quality.material import Material

FILTERS = Registry('filter', 'cite.quality.filters')


@dataclass(frozen=True, eq=False)
class Match:
    """The picture that a dropped one was compared with.

    Attributes:
        name: What it is called.
        path: Where it lies; None where that is not known.
    """

    name: str
    path: Path | None = None


@dataclass(eq=False)
class Verdict:
    """What a filter says of the N rows that it was given.

    Attributes:
        keep: (N,) bool.
        reasons: Why a row is dropped, in words that many rows share; '' where it is kept.
        details: What more there is to say of it.
        scores: (N,) float64; NaN where there is none.
        score_name: What the score is, for axes and tables; '' without scores.
        threshold: What the score was compared with; None where it was not.
        matches: Rows (0 to N − 1) → what they were compared with.
        about: Options, thresholds, and what they were measured on: plain values.
        notes: What a reader should know, a sentence each.
    """

    keep: NDArray[np.bool_]
    reasons: list[str]
    details: list[str]
    scores: NDArray[np.float64]
    score_name: str = ''
    threshold: float | None = None
    matches: dict[int, Match] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def keeping(cls, count: int, **more: Any) -> Verdict:
        """One that keeps all rows, to be filled in."""
        return cls(np.ones(count, bool), [''] * count, [''] * count, np.full(count, np.nan), **more)

    def drop(self, row: int, reason: str, detail: str = '') -> None:
        """Drops a row; the first reason stands."""
        if self.keep[row]:
            self.keep[row] = False
            self.reasons[row], self.details[row] = reason, detail


class Filter:
    """Base of all filters; options are those of the constructor."""

    place: ClassVar[int] = 50
    """Where it stands among others. Captions are judged before duplicates are sought, so that of two rows
    with one picture the one with the good caption is left; what computes features comes last."""

    needs_images: ClassVar[bool] = False
    """Whether it looks at pictures, so that unreadable ones must be gone before it."""

    needs_captions: ClassVar[bool] = False
    """Whether it reads captions."""

    by_default: ClassVar[bool] = False
    """Whether it runs where no filters are named."""

    says: ClassVar[str] = ''
    """What it drops, one sentence for the page."""

    shows: ClassVar[str] = 'images'
    """How the page shows what it dropped: 'images', 'pairs' (beside their matches) or 'captions'."""

    match_is: ClassVar[str] = 'match'
    """What a match is called under its picture."""

    @property
    def name(self) -> str:
        """As the command line calls it."""
        return name_of(type(self))

    def check(self, material: Material) -> None:
        """Raises `ConfigError` or `DataError` where something is missing, before any work is done."""

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        """The verdict on these rows of the collection, in their order."""
        raise NotImplementedError


def name_of(cls: type) -> str:
    """What the command line calls a class: DuplicateCaptions → duplicate_captions."""
    return re.sub(r'(?<!^)(?=[A-Z])', '_', cls.__name__).lower()


def captions_of(material: Material, rows: NDArray[np.int64]) -> Sequence[str]:
    """Captions of rows; a collection without captions was refused before."""
    captions = material.collection.captions
    assert captions is not None
    return [captions[int(row)] for row in rows]
