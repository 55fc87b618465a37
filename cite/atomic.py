"""Writing files so that a reader sees the old content or the new one, never half of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; what was written there replaces it at the end.

    Where the block fails (a full disk, an interrupt), the temporary file goes and `path` stays as it
    was. A missing folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        if temporary.is_file():
            with temporary.open('rb') as file:
                os.fsync(file.fileno())  # on the disk before the name points to it
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes bytes, and has them on the disk before the name points to them."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text with line feeds as they are."""
    write_bytes(path, text.encode('utf-8'))


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON, indented."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + '\n')
