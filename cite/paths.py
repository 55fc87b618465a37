"""Where things are: the configs that come with cite, its cache, weights that the user placed."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from cite.errors import ConfigError


def cache_dir() -> Path:
    """Where cite keeps what it need not compute twice: `$CITE_CACHE`, else `~/.cache/cite`."""
    return Path(os.environ.get('CITE_CACHE') or Path.home() / '.cache' / 'cite').expanduser()


def weights_dir() -> Path | None:
    """Folder of weights that were fetched by hand: `$CITE_WEIGHTS`; None where that is not set.

    Raises:
        ConfigError: It names no folder.
    """
    named = os.environ.get('CITE_WEIGHTS')
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f'CITE_WEIGHTS names {folder}, which is no folder; unset it or create that'
        )
    return folder


def configs_dir() -> Path:
    """Folder of the configs: beside the package in a checkout, inside it in a wheel.

    Raises:
        ConfigError: The installation has none.
    """
    package = Path(__file__).parent
    for folder in (package / 'configs', package.parent / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise ConfigError(f'no configs beside {package}; install cite again')


def find_config(path: str | Path) -> Path:
    """A config file, or a name under `configs_dir()` with or without 'configs/' and '.py'.

    Raises:
        ConfigError: Neither; close names are suggested.
    """
    path = Path(path)
    if path.is_file():
        return path
    folder = configs_dir()
    name = path.with_suffix('.py').as_posix().removeprefix('configs/')
    if (folder / name).is_file():
        return folder / name
    known = [
        p.relative_to(folder).as_posix()
        for p in folder.rglob('*.py')
        if '_base_' not in p.relative_to(folder).parts
    ]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f'Did you mean {" or ".join(close)}?' if close else f'Known: {", ".join(sorted(known))}'
    raise ConfigError(f'config {path}: no such file. {hint}')
