"""One look at every picture: whether it decodes, its size, its fingerprint. Kept, so that none is decoded
twice.

What is kept lies in files of `CHUNK` pictures each, named by what decides them: names, sizes and times of
change. An interrupt costs one chunk; a picture takes about 0.8 kB.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cite.atomic import replacing
from cite.data.prepare.fingerprint import GRID, Fingerprint, fingerprint
from cite.data.prepare.scan import Scan
from cite.errors import DataError
from cite.images import load_rgb

VERSION = 1
CHUNK = 2**12
_MOVING = ('GIF', 'PNG', 'WEBP')


@dataclass(frozen=True, eq=False)
class Looks:
    """What was seen, picture by picture.

    Attributes:
        scan: Sizes, digests, grids and spreads, see `cite.data.prepare.scan.Scan`; zeros where there is a
            reason.
        reasons: Why a picture cannot be used; '' where it can.
    """

    scan: Scan
    reasons: Sequence[str]

    def __len__(self) -> int:
        return len(self.reasons)

    def subset(self, rows: NDArray) -> Looks:
        """The pictures at these rows."""
        return Looks(self.scan.subset(rows), [self.reasons[int(row)] for row in rows])


class _Seen(NamedTuple):
    reason: str
    size: tuple[int, int] = (0, 0)
    mark: Fingerprint | None = None


def look_at(
    paths: Sequence[Path],
    names: Sequence[str],
    cache: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Looks:
    """Decodes every picture once, in threads; the result does not depend on their number.

    Args:
        paths: Where the pictures are.
        names: What they are called, for the files that are kept.
        cache: Folder of those; None: nothing is kept.
        workers: Threads; default: one per core.
        progress: Show a bar where it takes longer than two seconds.
    """
    from threadpoolctl import threadpool_limits  # comes with scikit-learn
    from tqdm import tqdm

    from cite.images.read_ahead import settle_workers

    parts = []
    bar = tqdm(total=len(paths), desc='images', unit='image', delay=2, disable=not progress)
    # a fingerprint is a small product of matrices: BLAS's threads in each of ours wait for each other
    with bar, threadpool_limits(1), ThreadPool(max(1, settle_workers(workers))) as pool:
        for start in range(0, len(paths), CHUNK):
            some = paths[start : start + CHUNK]
            place = None if cache is None else cache / _name(some, names[start : start + CHUNK])
            part = None if place is None else _load(place, len(some))
            if part is None:
                seen = []
                for found in pool.imap(_see, some, chunksize=16):
                    seen.append(found)
                    bar.update()
                part = _arrays(seen)
                if place is not None:
                    _store(place, part)
            else:
                bar.update(len(some))
            parts.append(part)
    whole = {
        key: np.concatenate([part[key] for part in parts]) if parts else empty
        for key, empty in _arrays([]).items()
    }
    reasons = whole.pop('reasons').tolist()
    return Looks(Scan(bad=(), **whole), reasons)


def _see(path: Path) -> _Seen:
    try:
        if path.is_file() and path.stat().st_size == 0:
            return _Seen('empty file')
        image = load_rgb(path)
    except DataError as error:
        return _Seen(str(error).removeprefix(f'{path}: '))
    if _moves(path):
        return _Seen('an animation, not one picture')
    return _Seen('', image.size, fingerprint(np.asarray(image)))


def _moves(path: Path) -> bool:
    from PIL import Image

    with Image.open(path) as image:  # the header alone
        return image.format in _MOVING and bool(getattr(image, 'is_animated', False))


def _arrays(seen: Sequence[_Seen]) -> dict[str, NDArray]:
    count = len(seen)
    found: dict[str, NDArray] = {
        'sizes': np.zeros((count, 2), np.int64),
        'digests': np.zeros((count, 16), np.uint8),
        'grids': np.zeros((count, GRID, GRID, 3), np.uint8),
        'spreads': np.zeros(count),
        'reasons': np.array([one.reason for one in seen], dtype=np.str_),
    }
    for row, one in enumerate(seen):
        if one.mark is not None:
            found['sizes'][row] = one.size
            found['digests'][row] = np.frombuffer(one.mark.digest, np.uint8)
            found['grids'][row], found['spreads'][row] = one.mark.grid, one.mark.spread
    return found


def _name(paths: Sequence[Path], names: Sequence[str]) -> str:
    """What decides a chunk without reading it."""
    asked = []
    for path, name in zip(paths, names, strict=True):
        try:
            status = path.stat()
            asked.append([name, status.st_size, status.st_mtime_ns])
        except OSError:
            asked.append([name, None, None])
    digest = hashlib.blake2b(json.dumps([VERSION, GRID, asked]).encode(), digest_size=12)
    return f'looks_{digest.hexdigest()}.npz'


def _load(path: Path, count: int) -> dict[str, NDArray] | None:
    """None where there is nothing, or something damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {key: stored[key] for key in _arrays([])}
    except Exception:  # zipfile's errors are many; it is only quicker to have
        return None
    return found if all(len(values) == count for values in found.values()) else None


def _store(path: Path, part: dict[str, NDArray]) -> None:
    with replacing(path) as temporary, temporary.open('wb') as file:
        np.savez(file, **part)  # type: ignore[arg-type]  # names of arrays, not options
