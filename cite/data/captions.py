"""Captions as texts: when two are the same, and what in them names the grade.

Reports come from templates. In PatchGastric's caption file one text stands for 142 slides, so pairs of
one text are positives of each other; and nearly every caption ends in its diagnosis, so a model that
reads it learns the label from the label.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError

MASK = '[MASK]'
"""What stands for a masked grade; BERT's own mask token."""

_GRADE = r'(?:well|moderate(?:ly)?|poor(?:ly)?|un|de)'
GRADE_WORDS = (
    # the degree: 'Well to moderately differentiated', 'well-differentiated', the file's 'diffentiated'
    rf'\b(?:{_GRADE}\b(?:\s*(?:to|and|or|[-–/,])\s*{_GRADE}\b){{0,3}}[\s-]*)?'
    r'(?:un|de)?diff(?:er)?enti?at(?:e|ed|es|ing|ion)\b',
    # what only some grades have in their diagnosis
    r'\btubul?ar(?=\W+adenocarcinoma)',
    r'\b(?:non[\s-]*)?solid(?=\W+adenocarcinoma)',
    r'(?:,\s*)?\b(?:non[\s-]*)?solid[\s-]*type\b',
    # other ways of writing a grade
    r'\b(?:low|intermediate|high)[\s-]*grade\b',
    r'\bgrade[\s:]*(?:[0-9]+|i{1,3}|iv)\b',
    r'\bg[1-4]\b',
)
"""Regular expressions of what gives the grade away, matched whatever the case, in this order.

The type is among them: 'tubular' is part of the diagnosis of well and moderately differentiated tumours
only, 'solid' and 'non-solid type' of poorly differentiated ones. What the tissue looks like ('solid
growth', 'irregular tubular structures') is not: that is what a model is to learn.
"""

_NOT_SHOWN = {'Cc', 'Cf'}  # control and formatting characters, such as a zero-width space
_END = ' .,;:!?'


def normalise_caption(text: str) -> str:
    """What two captions have in common if they are the same text.

    Unicode form (NFKC), case, white space, characters that do not show and punctuation at the end make
    no difference; words, and punctuation between them, do.
    """
    text = unicodedata.normalize('NFKC', unicodedata.normalize('NFKC', text).casefold())
    shown = (
        ' ' if char.isspace() else '' if unicodedata.category(char) in _NOT_SHOWN else char
        for char in text
    )
    text = unicodedata.normalize('NFKC', ''.join(shown))
    return ' '.join(text.split()).rstrip(_END)


def group_captions(texts: Sequence[str] | NDArray) -> NDArray[np.int64]:
    """Group of each text, int64 (N,): rows have the same number where they have the same text.

    Groups are numbered 0, 1, ... by sorted normalised text, so they depend on which texts there are
    and not on the order of rows.
    """
    same = [_normalised(str(text)) for text in texts]
    number = {text: place for place, text in enumerate(sorted(set(same)))}
    return np.array([number[text] for text in same], dtype=np.int64)


def caption_group(text: str) -> int:
    """Number of a text by itself, where the others are not known: 63 bits of its SHA-256.

    Two texts have the same number exactly where `group_captions` puts them together.
    """
    digest = hashlib.sha256(_normalised(text).encode('utf-8', 'surrogatepass')).digest()
    return int.from_bytes(digest[:8], 'little') >> 1


def mask_grades(text: str, words: Iterable[str] = GRADE_WORDS, mask: str = MASK) -> str:
    """The caption without what names its grade.

    'Well differentiated adenocarcinoma (well differentiated tubular adenocarcinoma).' becomes
    '[MASK] adenocarcinoma.': masks that follow one another become one, with the tumours that they
    belong to, since the number of masks would tell the grade again.

    The grade is no longer named, but templates still give it away: whoever knows PatchGastric's captions
    by heart guesses the grade of 647 of its 693 slides from what is left, and of 689 from the whole.

    Args:
        words: regular expressions, see `GRADE_WORDS`.
        mask: what stands for them; empty: nothing does, and they are removed.

    Raises:
        ConfigError: not regular expressions.
    """
    for word in words if not isinstance(words, str) else [words]:
        text = _compiled(word).sub(f' {_HOLE} ', text)
    text = _RUN.sub(_joined, text)
    text = text.replace(_HOLE, mask)
    text = ' '.join(text.split())
    return re.sub(r'\s+([.,;:)])', r'\1', text.replace('( ', '('))


def sample_sentences(rng: np.random.Generator, text: str) -> str:
    """Some of a caption's sentences, in any order: a caption seldom says all that an image shows.

    Half of them at least; each number from there to all is equally likely. A caption of one sentence
    stays.
    """
    sentences = _SENTENCE_END.split(text.strip())
    if len(sentences) < 2:
        return text
    count = int(rng.integers((len(sentences) + 1) // 2, len(sentences) + 1))
    return ' '.join(sentences[i] for i in rng.permutation(len(sentences))[:count])


_SENTENCE_END = re.compile(r'(?<=[.!?])\s+')
_HOLE = '\ue000'  # of Unicode's private use area, so no text has it
_APART = r'[\s,;/–-]*'
_ONE = rf'{_HOLE}(?:{_APART}(?:{_HOLE}|adenocarcinoma\b))*'
_NEXT = rf'{_APART}\b(?:or|to|and)\b{_APART}{_ONE}'
_RUN = re.compile(rf'{_ONE}(?:{_NEXT}|\s*\(\s*{_ONE}(?:{_NEXT})*\s*\))*', re.IGNORECASE)


def _joined(run: re.Match[str]) -> str:
    tumour = ' adenocarcinoma' if 'adenocarcinoma' in run.group().lower() else ''
    return f' {_HOLE}{tumour} '


@lru_cache(maxsize=64)
def _compiled(word: str) -> re.Pattern[str]:
    try:
        return re.compile(word, re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f'{word!r} is no regular expression: {error}') from error


@lru_cache(maxsize=4096)  # patches of a slide share a caption
def _normalised(text: str) -> str:
    return normalise_caption(text)
