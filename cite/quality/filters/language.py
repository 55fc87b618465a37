"""Captions in other languages than the wanted ones.

Naming the likeliest language is not good enough for short captions of pathology: they are Latin and Greek
in every language, and of 40 English ones py3langid takes 16 for Catalan, Latin or Slovene. So it is asked
another question: how probable the wanted languages are among `CANDIDATES`, and only what is improbable
goes. tests/quality holds the sentences that this was measured on, and how often it errs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.quality.captions import clean_caption, count_words
from cite.quality.filters.base import FILTERS, Filter, Verdict, captions_of
from cite.quality.material import Material

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_CODES = (
    'ar bg bn ca cs da de el en es fa fi fr he hi hr hu id it ja ko ms nl no pl pt ro ru sk sr sv th tr '
    'uk ur vi zh'
)
CANDIDATES = tuple(_CODES.split())
"""Languages that captions are taken to be in: those of many speakers. Small neighbours of English or Latin
among the 130 that py3langid knows would be found where they are not."""

LONGEST = 2000
"""Characters that are looked at."""


@FILTERS.register
@dataclass
class Language(Filter):
    """Drops captions that are improbable in the wanted languages.

    Args:
        wanted: ISO 639 codes.
        least_probability: Of the wanted languages together, among the candidates.
        candidates: Languages to tell apart; the wanted ones are added.
        least_words: Captions of fewer words are too short to tell.
        short: What becomes of those: 'keep' or 'drop'.
    """

    wanted: str | Sequence[str] = ('en',)
    least_probability: float = 0.05
    candidates: Sequence[str] = CANDIDATES
    least_words: int = 3
    short: Literal['keep', 'drop'] = 'keep'

    place: ClassVar[int] = 20
    needs_captions: ClassVar[bool] = True
    by_default: ClassVar[bool] = True
    says: ClassVar[str] = 'Captions that are improbable in the wanted languages, by py3langid.'
    shows: ClassVar[str] = 'captions'

    def __post_init__(self) -> None:
        self.wanted = (self.wanted,) if isinstance(self.wanted, str) else tuple(self.wanted)
        if not self.wanted or not 0 <= self.least_probability <= 1:
            raise ConfigError(
                'filter language: expected a language or more and a least_probability of 0 to 1, found '
                f'{list(self.wanted)} and {self.least_probability}'
            )
        if self.short not in ('keep', 'drop'):
            raise ConfigError(f"filter language: short is 'keep' or 'drop', found {self.short!r}")

    def check(self, material: Material) -> None:
        """A missing package or an unknown language is told before any work is done."""
        _ = self._identifier

    def probability(self, text: str) -> tuple[float, str]:
        """How probable the wanted languages are for a text, and the likeliest of all candidates."""
        ranked = self._identifier.rank(text[:LONGEST])
        return float(sum(value for code, value in ranked if code in self.wanted)), ranked[0][0]

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        from tqdm import tqdm

        verdict = Verdict.keeping(
            len(rows),
            score_name=f'probability of {" or ".join(self.wanted)}',
            threshold=self.least_probability,
            about={
                'wanted': list(self.wanted),
                'least_probability': self.least_probability,
                'candidates': list(self.candidates),
                'least_words': self.least_words,
                'short': self.short,
            },
        )
        hidden = not material.progress
        texts = tqdm(captions_of(material, rows), 'languages', delay=2, disable=hidden)
        short = 0
        for place, text in enumerate(texts):
            text = clean_caption(text)
            if count_words(text) < self.least_words:
                short += 1
                if self.short == 'drop':
                    verdict.drop(place, f'fewer than {self.least_words} words')
                continue
            verdict.scores[place], likeliest = self.probability(text)
            if verdict.scores[place] < self.least_probability:
                verdict.drop(place, f'not {" or ".join(self.wanted)}', f'likeliest: {likeliest}')
        verdict.about['too_short_to_tell'] = short
        if short:
            what = 'kept' if self.short == 'keep' else 'dropped'
            verdict.notes.append(
                f'{short} captions have fewer than {self.least_words} words, too few to tell; they are '
                f'{what}.'
            )
        return verdict

    @property
    def _identifier(self) -> LanguageIdentifier:
        return _identifier(tuple(sorted({*self.candidates, *self.wanted})))


@lru_cache(maxsize=4)
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    """That of py3langid, restricted to languages; its file takes a second or two to unpack."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise ConfigError(
            "the filter language needs py3langid: pip install 'cite-pathology[quality]', or name the "
            'filters without it (--filters)'
        ) from error
    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    unknown = sorted(set(languages) - set(found.labels))
    if unknown:
        known = ', '.join(sorted(found.labels))
        raise ConfigError(f'py3langid does not know the languages {unknown}; it knows {known}')
    found.set_languages(languages)
    return found
