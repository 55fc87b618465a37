"""Plain values → the Python text of a config, laid out as a person would."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

WIDTH = 100


class Name(str):
    """A variable of the config, written without quotes."""


def assignment(name: str, value: Any) -> str:
    """`name = value`."""
    return f'{name} = {_text(value, 0, len(name) + 3)}'


def comment(text: str, first: str = '# ', rest: str = '# ') -> str:
    """A comment, broken into lines."""
    from textwrap import fill

    return fill(
        ' '.join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _text(value: Any, indent: int, used: int) -> str:
    """One line where it fits behind the `used` columns, otherwise an item per line."""
    flat = _flat(value)
    if used + len(flat) + 1 <= WIDTH or not isinstance(value, Mapping | list | tuple) or not value:
        return flat
    inner = indent + 4
    margin = ' ' * inner
    if isinstance(value, Mapping):
        opening, mark, closing = _brackets(value)
        items = [
            f'{_key(key, mark)}{mark}{_text(item, inner, inner + len(_key(key, mark)) + len(mark))}'
            for key, item in value.items()
        ]
    else:
        opening, closing = ('[', ']') if isinstance(value, list) else ('(', ')')
        items = [_text(item, inner, inner) for item in value]
    lines = ''.join(f'{margin}{item},\n' for item in items)
    return f'{opening}\n{lines}{" " * indent}{closing}'


def _flat(value: Any) -> str:
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, Mapping):
        opening, mark, closing = _brackets(value)
        items = (f'{_key(key, mark)}{mark}{_flat(item)}' for key, item in value.items())
        return f'{opening}{", ".join(items)}{closing}'
    if isinstance(value, list):
        return f'[{", ".join(map(_flat, value))}]'
    if isinstance(value, tuple):
        return f'({", ".join(map(_flat, value))}{"," if len(value) == 1 else ""})'
    return repr(value)


def _brackets(value: Mapping[Any, Any]) -> tuple[str, str, str]:
    words = all(isinstance(k, str) and k.isidentifier() and not keyword.iskeyword(k) for k in value)
    return ('dict(', '=', ')') if words else ('{', ': ', '}')


def _key(key: Any, mark: str) -> str:
    return str(key) if mark == '=' else repr(key)
