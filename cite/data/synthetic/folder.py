"""The folder of a synthetic set: claimed before anything is drawn, so that an interrupted set goes on.

`dataset.json` marks the folder and says what is in it. A folder that holds anything else, or a set of
other parameters, is refused and left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from cite.atomic import write_json
from cite.data.synthetic.populations import POPULATIONS
from cite.errors import ConfigError, DataError

VERSION = 2  # raise it when the same seed draws other pixels
MPP = 0.75  # micrometres per pixel that every length in the drawings is meant for
MARK = 'cite.data.synthetic'
NOTE = 'synthetic: procedurally drawn, no patient'
_MARKER = 'dataset.json'


def check_least(**bounds: tuple[int, int]) -> None:
    """Raise `ConfigError` for an argument that is no whole number from its least value on.

    Args:
        bounds: name of the argument -> what was given, and the least that is allowed.
    """
    for name, (given, least) in bounds.items():
        if isinstance(given, bool) or not isinstance(given, int) or given < least:
            raise ConfigError(
                f'synthetic set: {name} must be a whole number from {least}, got {given!r}'
            )


def check_population(population: str) -> None:
    """Raise `ConfigError` for a population that there is not."""
    if population not in POPULATIONS:
        raise ConfigError(
            f'synthetic set: population must be one of {", ".join(POPULATIONS)}, got {population!r}'
        )


def claim(
    root: Path, layout: str, parameters: Mapping[str, int | str], counts: Mapping[str, int]
) -> None:
    """Mark an empty or new folder as ours; refuse one that holds anything but this very set.

    Args:
        root: the folder; made where it is missing.
        layout: what the folder looks like, such as 'pairs'.
        parameters: what decides the set's content; a set that is there must agree.
        counts: what `dataset.json` tells of its size, such as `{'slides': 90}`.

    Raises:
        DataError: the folder is a file, holds something else, or a set of other parameters.
    """
    if root.exists() and not root.is_dir():
        raise DataError(f'{root}: is a file; the synthetic set needs a folder')
    asked: dict[str, int | str] = {'version': VERSION, 'layout': layout, **parameters}
    if not root.exists() or not any(root.iterdir()):
        root.mkdir(parents=True, exist_ok=True)
        about = {
            'generator': MARK,
            'note': NOTE,
            **asked,
            **counts,
            'mpp': MPP,
            'written_with': {'numpy': np.__version__, 'pillow': PIL.__version__},
        }
        write_json(root / _MARKER, about)
        return
    found = _read_marker(root / _MARKER)
    if found.get('generator') != MARK:
        raise DataError(
            f'{root}: is not empty and not a synthetic set (no {_MARKER} of ours); '
            'nothing was written. Name a new or empty folder'
        )
    for name, value in asked.items():
        if found.get(name) != value:
            raise DataError(
                f'{root}: holds a synthetic set of {name} {found.get(name)!r}, not {value!r}; '
                'nothing was written. Name another folder or remove this one'
            )


def _read_marker(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
