"""Captions that ask what the picture shows, and so do not say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cite.quality.captions import without_addresses
from cite.quality.filters.base import FILTERS, Filter, Verdict, captions_of
from cite.quality.material import Material

MARKS = '?？؟⁇⁈⁉¿'
"""Question marks: Latin, full-width, Arabic, and those in one character."""

ASKING = (
    r"\bwhat(?:'|’)?s\s+(?:the|your)\s+(?:dx|diagnosis|dd|ddx|differential)\b",
    r'\bwhat\s+is\s+(?:the|your)\s+(?:dx|diagnosis|dd|ddx|differential)\b',
    r'\b(?:guess|name|spot)\s+(?:the|this)\s+(?:dx|diagnosis|entity|lesion|tumou?r|organism|organ)\b',
    r'\bany\s+(?:thoughts|ideas|guesses|suggestions)\b',
    r'\b(?:diagnosis|dx|ddx)\s+please\b',
    r'\b(?:opinions?|help|thoughts)\s+(?:please|welcome|appreciated)\b',
)
"""Regular expressions, whatever the case, of questions that are written without their mark."""

_ASKING = re.compile('|'.join(ASKING), re.IGNORECASE)


@FILTERS.register
@dataclass(frozen=True)
class Question(Filter):
    """Drops captions with a question mark, or that ask without one.

    OpenPath has no tweets or replies with a question mark; captions from LAION kept theirs (the authors'
    repository, reproducibility/scripts/extract_embedding.py, reads lists named 'noQ' of the former and
    states the latter). Question marks of URLs do not count.

    Args:
        unmarked: Also drop what `ASKING` finds, which is not OpenPath's.
    """

    unmarked: bool = True

    place: ClassVar[int] = 10
    needs_captions: ClassVar[bool] = True
    by_default: ClassVar[bool] = True
    says: ClassVar[str] = 'Captions that ask and so do not tell what is to be seen.'
    shows: ClassVar[str] = 'captions'

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        verdict = Verdict.keeping(len(rows), about={'unmarked': self.unmarked})
        for place, text in enumerate(captions_of(material, rows)):
            text = without_addresses(text)
            asking = _ASKING.search(text) if self.unmarked else None
            if any(mark in text for mark in MARKS):
                verdict.drop(place, 'a question mark')
            elif asking:
                verdict.drop(place, 'asks without a mark', asking.group())
        return verdict
