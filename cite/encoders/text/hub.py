"""Where a text model's files are: local folder or the hub's cache, and what to say when they are not."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_EDGE = 1 << 20


def find_file(source: str, name: str, revision: str | None) -> Path | None:
    """A file of a model, if it is on this machine: in the folder, or in the hub's cache."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(source, name, revision=revision)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def read_json(source: str, name: str, revision: str | None) -> dict[str, Any]:
    """A JSON file of a model that is on this machine; {} where there is none."""
    path = find_file(source, name, revision)
    return json.loads(path.read_text(encoding='utf-8')) if path else {}


def fingerprint(source: str, revision: str | None) -> str | None:
    """Identity of a model's files on this machine, or None where they are not on it.

    A hub model's is its commit. A folder's is a hash over small files whole and, of large ones, size
    and both ends: enough to notice another model under an old name without reading gigabytes.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        config = find_file(source, 'config.json', revision)
        return f'commit {config.parent.name}' if config else None
    sha = hashlib.sha256()
    for path in sorted(p for p in folder.rglob('*') if p.is_file() and '.git' not in p.parts):
        size = path.stat().st_size
        sha.update(f'{path.relative_to(folder).as_posix()} {size}'.encode())
        with path.open('rb') as file:
            sha.update(file.read(_EDGE))
            if size > 2 * _EDGE:
                file.seek(-_EDGE, os.SEEK_END)
            sha.update(file.read(_EDGE))
    return f'sha256 {sha.hexdigest()[:16]}'


def explain_missing(what: str, source: str, error: Exception, known: Iterable[str]) -> str:
    """One message for everything that can go wrong on the way to a hub model."""
    close = difflib.get_close_matches(source, list(known), n=1)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    reason = (
        str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    )
    return (
        f'{what} {source!r} could not be loaded.{hint} It is neither a folder nor in the hub cache of '
        'this machine, or its files are damaged. With a network it is fetched; without one, copy the '
        f"model's folder here and give its path. ({type(error).__name__}: {reason})"
    )
