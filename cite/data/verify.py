"""Decoding a whole data set once, to find its bad files before training does."""

from __future__ import annotations

from multiprocessing.pool import ThreadPool
from typing import NamedTuple

from cite.data.table import PatchTable
from cite.errors import DataError
from cite.images import load_rgb


class BadImage(NamedTuple):
    """A file that does not decode, and why."""

    file: str
    reason: str


def verify_images(table: PatchTable, workers: int = 4, progress: bool = True) -> list[BadImage]:
    """Decode every image of a table and list those that fail, in the table's order.

    Args:
        table: what to decode.
        workers: threads (decoding runs outside Python's lock).
        progress: show a bar.
    """
    from tqdm import tqdm

    def reason(index: int) -> str | None:
        try:
            load_rgb(table.path(index))
        except DataError as error:
            return str(error)
        return None

    bad = []
    with ThreadPool(max(1, workers)) as pool:
        reasons = pool.imap(reason, range(len(table)), chunksize=16)
        for index, why in enumerate(
            tqdm(reasons, 'images', len(table), unit='image', delay=2, disable=not progress)
        ):
            if why is not None:
                bad.append(BadImage(str(table.files[index]), why))
    return bad
