"""The slide and the patient of a patch, read off its file name."""

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
    return list(files) if pattern is None else _from_names(files, pattern, 'slide', source)


def patients_from_names(files: Sequence[str], pattern: str, source: str | Path) -> list[str]:
    """Patient of each file: the group `patient` of `pattern`, as in `slides_from_names`.

    Raises:
        ConfigError: not a regular expression, or one without a group `patient`.
        DataError: names that the pattern does not match.
    """
    return _from_names(files, pattern, 'patient', source)


_WITHOUT = {
    'slide': 'Use a CSV manifest with a slide column, or give slide_pattern (--slide-pattern; now '
    '{!r}; None, or --patch-is-slide: every patch is its own slide)',
    'patient': 'Use a CSV manifest with a patient column, or give another patient_pattern '
    '(--patient-pattern; now {!r})',
}


def _from_names(files: Sequence[str], pattern: str, group: str, source: str | Path) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f'{group}_pattern {pattern!r} is no regular expression: {error}'
        ) from error
    if group not in expression.groupindex:
        raise ConfigError(f'{group}_pattern {pattern!r} has no group (?P<{group}>...)')
    matches = [expression.search(file.replace('\\', '/')) for file in files]
    names = [match.group(group) if match else None for match in matches]
    unknown = [file for file, name in zip(files, names, strict=True) if not name]
    if unknown:
        raise DataError(
            f'{source}: no {group} in the names of {some(unknown)}. {_WITHOUT[group].format(pattern)}'
        )
    return [name for name in names if name]
