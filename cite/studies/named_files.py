"""Files that a config names: texts, weights. What is in them decides a result as the config does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

HASHED = 1 << 20
"""Bytes up to which a file is read; larger ones, weights, are told apart by their size."""


def files_in(values: Any) -> dict[str, str]:
    """Name of each file that a value of a config names → what stands for its content."""
    return {name: _content(name, *_changed(name)) for name in sorted(set(_names(values)))}


def _names(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        try:
            named = Path(values).is_file()
        except (OSError, ValueError):  # too long for a name: it is a text
            named = False
        if named:
            yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _names(value)
    elif isinstance(values, Sequence):
        for value in values:
            yield from _names(value)


def _changed(name: str) -> tuple[int, int]:
    status = Path(name).stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _content(name: str, size: int, _changed: int) -> str:
    if size > HASHED:
        return f'{size} bytes'
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()
