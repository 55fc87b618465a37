"""The slide of a patch, read off its file name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cite.data.table import some
from cite.errors import ConfigError, DataError

SLIDE_PATTERN = r'(?:^|/)(?P<slide>[^/_]+)_[^/]+$'
"""PatchGastric's names: what stands before the first underscore of `slide_patch.jpg`."""


def slides_from_names(files: Sequence[str], pattern: str | None, source: str | Path) -> list[str]:
    """Slide of each file: the group `slide` of `pattern`, searched in the path with `/`.

    Args:
        files: paths as the table holds them.
        pattern: regular expression, or None: every patch is its own slide. For folders of slides
            (`class/slide/patch.jpg`) it is `(?P<slide>[^/]+)/[^/]+$`.
        source: what the files come from, for messages.

    Raises:
        ConfigError: not a regular expression, or one without a group `slide`.
        DataError: names that the pattern does not match. Nothing is guessed: patches of one slide
            that pass for many would leak from training into evaluation.
    """
    if pattern is None:
        return list(files)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f'slide_pattern {pattern!r} is no regular expression: {error}') from error
    if 'slide' not in expression.groupindex:
        raise ConfigError(f'slide_pattern {pattern!r} has no group (?P<slide>...)')
    matches = [expression.search(file.replace('\\', '/')) for file in files]
    slides = [match.group('slide') if match else None for match in matches]
    unknown = [file for file, slide in zip(files, slides, strict=True) if not slide]
    if unknown:
        raise DataError(
            f'{source}: no slide in the names of {some(unknown)}. Use a CSV manifest with a slide '
            f'column, or give slide_pattern (now {pattern!r}; None: every patch is its own slide)'
        )
    return [slide for slide in slides if slide]
