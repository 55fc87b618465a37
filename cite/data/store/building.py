"""Decoding the patches of a table into one file, from where an interrupted attempt stopped."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.cache_limit import trim, used_bytes
from cite.data.file_digests import WIDTH, Digests, read_content
from cite.data.store.front import Step
from cite.data.table import PatchTable
from cite.errors import DataError
from cite.images.read import decode_rgb
from cite.images.read_ahead import default_workers, in_order
from cite.images.resize import to_uint8_tensor

CHUNK = 512
"""Patches after which what was done is made certain."""

LIMIT = 200 * 2**30
"""Bytes that all stores together may take; those that were not used for longest make room."""


@dataclass(frozen=True)
class Plan:
    """What is to be built.

    `partial` holds the pixels so far, `done` the digests (N, 32) of the files that they came from, rows
    of zeros where nothing is done yet.
    """

    table: PatchTable
    front: Sequence[Step]
    partial: Path

    @property
    def done(self) -> Path:
        return self.partial.with_suffix('.done')


def build(plan: Plan, logger: logging.Logger, progress: bool = True) -> Digests:
    """Decodes what is not decoded yet into `plan.partial`, a file of NumPy's uint8 (N, 3, S, S).

    Returns:
        The digest of every file, as it was read.

    Raises:
        DataError: A file that is missing or damaged, pictures of different sizes, too little room on the
            disk. What was done is kept, and the next attempt goes on from there.
    """
    from tqdm import tqdm

    shape, offset, digests = _resume(plan) or _start(plan, logger)
    rows = np.flatnonzero(~digests.any(1))
    logger.info(
        f'patch store: {len(rows):,} of {len(plan.table):,} patches to decode, '
        f'{_size(len(plan.table) * int(np.prod(shape)))} in {plan.partial.parent}'
    )
    workers = default_workers()
    pixels = os.open(plan.partial, os.O_RDWR)
    done = os.open(plan.done, os.O_RDWR | os.O_CREAT)
    finished: list[int] = []

    def settle() -> None:
        os.fsync(pixels)  # pixels before the word that they are there
        for row in finished:
            os.pwrite(done, digests[row].tobytes(), row * WIDTH)
        finished.clear()

    try:
        one = partial(_decode, plan, pixels, shape, offset)
        bar = tqdm(total=len(rows), desc='patch store', unit='patch', delay=2, disable=not progress)
        with bar, closing(in_order(one, rows.tolist(), workers, lambda: 4 * workers)) as results:
            for row, result in zip(rows.tolist(), results, strict=True):
                digests[row] = result()
                finished.append(row)
                bar.update()
                if len(finished) == CHUNK:
                    settle()
    except OSError as error:
        raise DataError(
            f'patch store {plan.partial} could not be written: {error.strerror}. Make room, or set '
            'store=False; what is done is kept'
        ) from error
    finally:
        try:
            settle()
        finally:
            os.close(pixels)
            os.close(done)
    return digests


def _decode(plan: Plan, file: int, shape: tuple[int, ...], offset: int, row: int) -> Digests:
    """Writes one patch and returns the digest of its file. One read, many of these at once."""
    picture, digest = decode_patch(plan.table.path(row), plan.front)
    if picture.shape != shape:
        raise DataError(
            f'{plan.table.path(row)}: {_sides(picture.shape)} pixels behind the pipeline, the first patch '
            f'has {_sides(shape)}; a store needs a ResizePatch in the pipeline'
        )
    os.pwrite(file, picture.tobytes(), offset + row * picture.nbytes)
    return digest


def decode_patch(path: Path, front: Sequence[Step]) -> tuple[NDArray[np.uint8], Digests]:
    """uint8 (3, S, S) and the digest of the file.

    Raises:
        DataError: The file is missing or damaged.
    """
    content, digest = read_content(path)
    picture = decode_rgb(BytesIO(content), path)
    for step in front:
        picture = step(picture)
    return to_uint8_tensor(picture).numpy(), digest


def _resume(plan: Plan) -> tuple[tuple[int, ...], int, Digests] | None:
    """Shape of a picture, where the first begins, and digests of what an attempt has done."""
    try:
        pixels = np.load(plan.partial, mmap_mode='r', allow_pickle=False)
        digests = np.frombuffer(plan.done.read_bytes(), np.uint8)
    except (OSError, ValueError):
        return None
    n = len(plan.table)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) != n:
        return None
    whole = np.zeros(n * WIDTH, np.uint8)
    whole[: len(digests)] = digests[: n * WIDTH]
    return pixels.shape[1:], int(pixels.offset), whole.reshape(n, WIDTH)


def _start(plan: Plan, logger: logging.Logger) -> tuple[tuple[int, ...], int, Digests]:
    """An empty file of the right size, with room made for it."""
    first, _ = decode_patch(plan.table.path(0), plan.front)
    shape = (len(plan.table), *first.shape)
    make_room(plan.partial.parent, int(np.prod(shape)), logger)
    plan.done.unlink(missing_ok=True)
    pixels = np.lib.format.open_memmap(plan.partial, 'w+', np.uint8, shape)
    return first.shape, int(pixels.offset), np.zeros((len(plan.table), WIDTH), np.uint8)


def make_room(folder: Path, size: int, logger: logging.Logger) -> None:
    """Drops stores that were not used for longest, where the disk or the limit asks for it.

    Raises:
        DataError: The disk would not hold it even so.
    """
    used, free = used_bytes(folder), shutil.disk_usage(folder).free
    if size > used + free:
        raise DataError(
            f'patch store: {_size(size)} needed in {folder}, {_size(free)} free. Make room, let CITE_CACHE '
            'name a folder on a larger disk, or set store=False'
        )
    for path in trim(folder, max(0, min(LIMIT, used + free) - size)):
        logger.info(f'patch store: {path} removed, to make room')


def _size(size: int) -> str:
    return f'{size / 1e9:.1f} GB' if size >= 1e8 else f'{size / 1e6:.1f} MB'


def _sides(shape: Sequence[int]) -> str:
    return f'{shape[-2]} x {shape[-1]}'
