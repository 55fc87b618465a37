"""Class names short enough for a figure, and the key that explains them."""

from __future__ import annotations

import re
from collections.abc import Sequence

ELLIPSIS = '…'


def short_names(names: Sequence[str], length: int) -> list[str]:
    """Distinct names of at most `length` characters, in the same order.

    Names that all fit stay as they are. Otherwise words that all names share are dropped, and of what is
    left each keeps its first words, as few as tell them apart, and the same number for all: 'well
    differentiated tubular adenocarcinoma', 'poorly differentiated adenocarcinoma, …' → 'well', 'poorly'.
    What is too long for that loses last words, then letters; names that would become the same get numbers.
    """
    if max(map(len, names)) <= length:
        return list(names)
    words = [re.split(r'[\s_]+', name.strip()) for name in names]
    shared = set.intersection(*({_bare(word) for word in of_one} for of_one in words))
    rest = [[word for word in of_one if _bare(word) not in shared] for of_one in words]
    if all(rest):
        words = rest
    for count in range(1, max(map(len, words)) + 1):
        if _differ([_joined(of_one[:count]) for of_one in words]):
            break
    short = [_fit(of_one[:count], length) for of_one in words]
    if not _differ(short):
        short = [_fit([str(i), *of_one], length) for i, of_one in enumerate(words, start=1)]
    return short


def key_to_names(names: Sequence[str], short: Sequence[str]) -> str:
    """'short: full name; …' for the names that were shortened, '' for none."""
    pairs = zip(short, names, strict=True)
    return '; '.join(f'{abbreviated}: {name}' for abbreviated, name in pairs if abbreviated != name)


def _bare(word: str) -> str:
    return word.strip('.,;:()').casefold()


def _differ(names: list[str]) -> bool:
    return len(set(names)) == len(names)


def _joined(words: list[str]) -> str:
    return ' '.join(words).rstrip(',;:')


def _fit(words: list[str], length: int) -> str:
    while len(words) > 1 and len(' '.join(words)) > length:
        words = words[:-1]
    name = _joined(words)
    return name if len(name) <= length else name[: length - 1] + ELLIPSIS
