"""Block numbers in an option of a tuning → blocks of a tower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cite.errors import ConfigError


def block_numbers(option: str, words: str, found: int | Sequence[Any], depth: int) -> list[int]:
    """The listed blocks in order, without repeats; negative numbers count from the end.

    Args:
        option: Names the tuning and its option in messages: 'VisualPrompt: layers'.
        words: What the option takes beside numbers, for messages.
        found: One number or several.
        depth: Number of blocks of the tower.

    Raises:
        ConfigError: No whole numbers, none at all, or one outside the tower.
    """
    numbers = [found] if isinstance(found, int) else found
    listed = isinstance(numbers, Sequence) and not isinstance(numbers, str)
    if not listed or not all(isinstance(n, int) for n in numbers) or not numbers:
        raise ConfigError(f'{option} must be {words} or block numbers, found {found!r}')
    outside = [n for n in numbers if not -depth <= n < depth]
    if outside:
        raise ConfigError(
            f'{option} {outside} are outside a tower of {depth} blocks (0 to {depth - 1})'
        )
    return sorted({n % depth for n in numbers})
