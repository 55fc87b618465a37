"""Whether a state dict fits a model, told in words. The one comparison behind every strict loading."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor


def misfit(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What keeps `found` from fitting `wanted` by name and shape; '' where it fits.

    Up to five names of each kind, blocks in their order: '2 missing (a, b); 1 of another shape (c is (3,),
    the model has (4,))'.
    """
    here = {name: tuple(value.shape) for name, value in found.items()}
    there = {name: tuple(value.shape) for name, value in wanted.items()}
    shapes = (
        f'{name} is {here[name]}, the model has {there[name]}'
        for name in here.keys() & there.keys()
        if here[name] != there[name]
    )
    kinds = [
        _listed(there.keys() - here.keys(), 'missing'),
        _listed(here.keys() - there.keys(), 'unexpected'),
        _listed(shapes, 'of another shape'),
    ]
    return '; '.join(filter(None, kinds))


def _natural(name: str) -> list[tuple[int, str]]:
    """Puts 'blocks.10' behind 'blocks.2'."""
    return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]


def _listed(items: Iterable[str], kind: str) -> str:
    names = sorted(items, key=_natural)
    if not names:
        return ''
    more = f' and {len(names) - 5} more' if len(names) > 5 else ''
    return f'{len(names)} {kind} ({", ".join(names[:5])}{more})'
