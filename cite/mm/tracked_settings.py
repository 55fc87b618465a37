"""What a tracking service is told of a run's config: settings that decide it, and nothing of its data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

SHARED = ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'randomness')
"""Parts of a config that are told. Loaders and folders are not: they name slides and patients."""

LONGEST = 500
"""Characters of a value; MLflow takes no more by default in its older releases."""


def settings_of(config: Config) -> dict[str, Any]:
    """Dotted keys → numbers and texts.

    Of a path its last part is left. Names hold letters, digits, and `_-. :/` only, as MLflow asks for.
    """
    shared = {key: config[key] for key in SHARED if config.get(key) is not None}
    shared['batch_size'] = (config.get('train_dataloader') or {}).get('batch_size')
    return {key: _plain(value) for key, value in _flat(shared) if value is not None}


def _flat(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Mappings, and lists of mappings, taken apart."""
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        parts = list(enumerate(value))
    else:
        yield re.sub(r'[^\w\-. :/]', '_', name), value
        return
    for key, part in parts:
        yield from _flat(part, f'{name}.{key}' if name else str(key))


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        value = [_plain(part) for part in value]
    elif isinstance(value, str | Path):
        value = _last_part(str(value))
    return str(value)[:LONGEST]


def _last_part(text: str) -> str:
    """'file.pth' of '/home/name/file.pth'; names as 'owner/model' are no paths and stay."""
    path = Path(text)
    try:
        local = path.is_absolute() or text[:1] in ('~', '.') or ('/' in text and path.exists())
    except (OSError, ValueError):  # a long sentence, which is no path
        return text
    return path.name if local else text
