"""The same file under two names, in two sets."""

from __future__ import annotations

import numpy as np

from cite.data.file_digests import file_digests
from cite.data.table import PatchTable, some
from cite.errors import DataError


def same_bytes(one: PatchTable, other: PatchTable, name: str, other_name: str) -> list[str]:
    """A note where files of both sets have the same content; nothing where none do or files are not there.

    Digests are remembered by size and time of change, so that files are read once.
    """
    try:
        digests = [file_digests(table, progress=True) for table in (one, other)]
    except DataError:
        return []
    first, second = ([row.tobytes() for row in found] for found in digests)
    known = dict(zip(first, one.files.tolist(), strict=True))
    twice = np.flatnonzero([digest in known for digest in second])
    if not len(twice):
        return []
    pairs = [f'{known[second[row]]} and {other.files[row]}' for row in twice[:5]]
    return [
        f'{len(twice)} files of the {other_name} set have the same bytes as files of the {name} set: '
        f'{some(pairs, len(twice))}. What is measured on them is memory'
    ]
