"""Numbers that options of tunings take, checked in the same words everywhere."""

from __future__ import annotations

from cite.errors import ConfigError


def whole(what: str, found: object, least: int = 1) -> int:
    """A whole number of at least `least`.

    Args:
        what: Names the tuning and its option: 'LoRA: r'.

    Raises:
        ConfigError: Anything else.
    """
    if isinstance(found, int) and not isinstance(found, bool) and found >= least:
        return found
    raise ConfigError(f'{what} must be a whole number of at least {least}, found {found!r}')


def above_zero(what: str, found: object, or_none: bool = False) -> float:
    """A number above 0.

    Args:
        or_none: Whether the option takes None as well; for the message.

    Raises:
        ConfigError: Anything else.
    """
    if isinstance(found, int | float) and found > 0:
        return found
    words = ' or None' if or_none else ''
    raise ConfigError(f'{what} must be a number above 0{words}, found {found!r}')


def share(what: str, found: object) -> float:
    """A number of at least 0 and below 1.

    Raises:
        ConfigError: Anything else.
    """
    if isinstance(found, int | float) and 0 <= found < 1:
        return found
    raise ConfigError(f'{what} must be at least 0 and below 1, found {found!r}')
