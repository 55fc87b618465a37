"""A file of settings that is no config of a run: Python, YAML or JSON, with `_base_` as configs have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from cite.errors import ConfigError

SUFFIXES = ('.py', '.yaml', '.yml', '.json')


def read_plain(path: Path) -> dict[str, Any]:
    """The settings of a file as plain values.

    Raises:
        ConfigError: Another kind of file, or one that cannot be read.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f'{path}: expected {", ".join(SUFFIXES)}, found {path.suffix or "none"}')
    try:
        found: dict[str, Any] = Config.fromfile(path, import_custom_modules=False).to_dict()
    except Exception as error:  # mmengine executes the file: anything can come out of it
        reason = (str(error).strip().splitlines() or [''])[-1]
        raise ConfigError(f'{path} cannot be read: {type(error).__name__}: {reason}') from error
    return found


def config_from(values: dict[str, Any]) -> Config:
    """Plain values as a config."""
    return Config(values)
