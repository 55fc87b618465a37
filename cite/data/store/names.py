"""What stores are called: by the files that they hold, before and after these have been read."""

from __future__ import annotations

import hashlib
import json

from cite.data.file_digests import Digests, Status
from cite.data.table import PatchTable


def names_digest(table: PatchTable, files: list[Status]) -> str:
    """SHA-256 of paths, sizes and times of change: names a table's files before they have been read."""
    rows = [str(table.root.resolve()), table.files.tolist(), files]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def content_digest(digests: Digests) -> str:
    """SHA-256 of the digests in their order."""
    return hashlib.sha256(digests.tobytes()).hexdigest()
