"""Values of a study file, checked one by one: what is not as it should be is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cite.errors import ConfigError

LARGEST_SEED = 2**32 - 1


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A dict, or {} of nothing.

    Raises:
        ConfigError: Something else, or values that a file of results could not hold.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f'{what}: expected names and values, found {value!r}')
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f'{what}: expected text, numbers, lists and dicts; {error} (quotes make text of a date)'
        ) from error
    return {str(key): each for key, each in value.items()}


def listed(value: Any, what: str) -> list[Any]:
    """A list of one or more.

    Raises:
        ConfigError: Something else.
    """
    if not isinstance(value, list | tuple | range) or not len(value):
        raise ConfigError(f'{what}: expected a list, found {value!r}')
    return list(value)


def whole(value: Any, what: str, least: int = 0) -> int:
    """A whole number.

    Raises:
        ConfigError: Something else, or a number below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f'{what}: expected a whole number from {least}, found {value!r}')
    return value


def seeds(value: Any, what: str) -> tuple[int, ...]:
    """How many, or a list of them.

    Raises:
        ConfigError: Neither, or none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = range(value)
    advice = f'{what}: expected how many, or a list of whole numbers from 0 to {LARGEST_SEED}'
    if not isinstance(value, list | tuple | range) or not len(value):
        raise ConfigError(f'{advice}; found {value!r}')
    for seed in value:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            raise ConfigError(f'{advice}; found {seed!r}')
    return tuple(value)


def shots(value: Any) -> str:
    """Slides per class as text: '1', '2', … or 'all'.

    Raises:
        ConfigError: Something else.
    """
    text = str(value)
    if text != 'all' and (not text.isdecimal() or int(text) < 1):
        raise ConfigError(f"shots must be whole numbers from 1, or 'all'; found {value!r}")
    return text if text == 'all' else str(int(text))
