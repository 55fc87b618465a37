"""The folder of `cite explain`: what one run wrote there, and that it is of one question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cite.atomic import write_json

RECORD = 'explain.json'
WRITER = 'cite explain'


def former_files(folder: Path) -> list[Path]:
    """Files that a former run lists in its record and that are still there; only such as lie in the folder
    itself."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return []
    if not isinstance(record, dict) or record.get('writer') != WRITER:
        return []
    listed = record.get('files')
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    inside = [folder / name for name in names if name and Path(name).name == name]
    return [path for path in inside if path.is_file() or path.is_symlink()]


def begin(folder: Path, about: Mapping[str, Any], files: Sequence[str]) -> None:
    """Removes what a former run wrote and says what this one will write, so that a run which was cut off
    leaves no files that the next one does not know.

    Args:
        about: What decides the maps: model, methods, classes, images, versions.
        files: Names of the files that will be written.
    """
    for path in former_files(folder):
        path.unlink()
    _write(folder, about, files, finished=False)


def finish(folder: Path, about: Mapping[str, Any], files: Sequence[str]) -> None:
    """Says that all is written."""
    _write(folder, about, files, finished=True)


def _write(folder: Path, about: Mapping[str, Any], files: Sequence[str], finished: bool) -> None:
    record = {'writer': WRITER, 'finished': finished, **about, 'files': list(files)}
    write_json(folder / RECORD, record)
