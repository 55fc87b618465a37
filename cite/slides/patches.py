"""A slide cut into patches on disk, in PatchGastric's manner: one folder per slide, one file per tile."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cite.atomic import write_text
from cite.errors import DataError
from cite.images.read_ahead import in_order, settle_workers
from cite.slides.files import stamp
from cite.slides.inference import BLUR, MOST_DAMAGED
from cite.slides.outputs.folder import check_replaceable
from cite.slides.overview import look
from cite.slides.readers import RegionError, open_slide
from cite.slides.tiles import read_tile, sharpness
from cite.slides.tiling import Grid, TileSpec, enlarged, make_grid, settle_mpp
from cite.slides.tissue import find_tissue

COLUMNS = ('file', 'x', 'y', 'tissue', 'sharpness')
RECORD = 'tiles.json'
AHEAD = 16
"""Tiles per thread that are read and written ahead of the count."""


@dataclass(frozen=True)
class CutSlide:
    """Patches of a slide.

    Attributes:
        folder: Where they are.
        files: Their names, in the order of the grid.
        counts: Of tiles: grid, written, blurred, damaged; plain values.
        enlarged: By how much they had to be enlarged; 1 where they were not.
        again: Whether they were there already.
    """

    folder: Path
    files: tuple[str, ...]
    counts: dict[str, int]
    enlarged: float = 1.0
    again: bool = False


def cut_slide(
    path: Path,
    folder: Path,
    spec: TileSpec,
    slide_mpp: float | None = None,
    blur: float = BLUR,
    most: int | None = None,
    seed: int = 0,
    image_format: str = 'jpg',
    override_mpp: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> CutSlide:
    """Writes the tiles of a slide into `folder`, all of them or none.

    A folder that a former run has written for the same question (slide, its size and time of change, and
    every option) is left as it is.

    Args:
        path: Of the slide.
        folder: Named after the slide; replaced as a whole.
        spec: Which tiles.
        slide_mpp: Where the slide does not say its resolution.
        blur: Least sharpness, see `cite.slides.tiles.sharpness`.
        most: Tiles at most, drawn by the seed and the slide's name; None: all.
        image_format: 'jpg' (quality 95, colour not subsampled) or 'png'.
        override_mpp: Whether `slide_mpp` counts where the file says another one, too.
        workers: Threads.

    Raises:
        DataError: A slide that cannot be opened, does not say its resolution, has no tissue, or more than
            half of whose tiles are damaged; or a disk that is full.
    """
    key = _key(path, spec, slide_mpp, override_mpp, blur, most, seed, image_format)
    done = _finished(folder, key)
    if done is not None:
        return done
    check_replaceable(folder)
    from tqdm import tqdm

    with open_slide(path) as slide:
        mpp = settle_mpp(slide, slide_mpp, override_mpp)
        picture, unread = look(slide, mpp, workers, progress)
        tissue = find_tissue(picture, slide.size, mpp, unread=unread)
        grid = make_grid(slide, spec, tissue, mpp)
        if not len(grid):
            raise DataError(
                f'slide {path}: no tile of {spec.size} pixels at {spec.mpp} mpp has {spec.tissue:.0%} of '
                f'tissue, which covers {tissue.share:.1%} of it; lower --tissue, or cut smaller tiles'
            )
        by = enlarged(spec, mpp)
        numbers = _order(grid, most, seed, folder.name)
        place = folder.with_name(f'.{folder.name}-{uuid.uuid4().hex[:8]}')

        def one(number: int) -> tuple[str | None, float, str]:
            try:
                tile = read_tile(slide, grid, number)
            except RegionError as error:
                return None, float('nan'), str(error)
            sharp = sharpness(tile, by)
            if sharp < blur:
                return None, sharp, ''
            name = f'{folder.name}_{grid.x[number]}_{grid.y[number]}.{image_format}'
            options: dict[str, Any] = (
                {'quality': 95, 'subsampling': 0} if image_format == 'jpg' else {}
            )
            tile.save(place / name, **options)
            return name, sharp, ''

        threads = settle_workers(workers)
        rows: dict[int, list[Any]] = {}
        tried = 0
        damaged: list[str] = []
        try:
            place.mkdir(parents=True)
            bar = tqdm(
                total=min(len(numbers), most or len(numbers)),
                desc=path.name,
                unit='tile',
                delay=2,
                disable=not progress,
            )
            ahead = in_order(one, numbers.tolist(), threads, lambda: AHEAD * max(threads, 1))
            with bar, closing(ahead):
                for number, result in zip(numbers.tolist(), ahead, strict=True):
                    name, sharp, why = result()
                    tried += 1
                    bar.update()
                    if name is not None:
                        x, y = int(grid.x[number]), int(grid.y[number])
                        rows[number] = [name, x, y, f'{grid.tissue[number]:.3f}', f'{sharp:.4f}']
                    elif why:
                        damaged.append(why)
                    if len(rows) == most:
                        break
            kept = [rows[number] for number in sorted(rows)]
            _drop_others(place, {row[0] for row in kept})  # threads were ahead
            counts = {
                'grid': len(grid),
                'written': len(rows),
                'blurred': tried - len(rows) - len(damaged),
                'damaged': len(damaged),
            }
            if len(damaged) > MOST_DAMAGED * tried:
                raise DataError(
                    f'slide {path}: {len(damaged)} of {tried} tiles cannot be read, so it is '
                    f'damaged or cut off ({damaged[0]}); copy it again from where it comes from'
                )
            _write(place, kept, {'key': key, 'counts': counts, 'mpp': list(mpp), 'enlarged': by})
            check_replaceable(folder)
            if folder.exists():
                shutil.rmtree(folder)
            place.rename(folder)
        except OSError as error:
            raise DataError(f'{folder}: cannot be written ({error.strerror or error})') from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return CutSlide(folder, tuple(row[0] for row in kept), counts, by)


def _order(grid: Grid, most: int | None, seed: int, name: str) -> np.ndarray:
    """Numbers of tiles in the order in which they are tried: that of the grid, or one drawn by seed and
    name where only some are wanted, so that blurred ones take no place."""
    if most is None:
        return np.arange(len(grid))
    own = int.from_bytes(hashlib.sha256(f'{seed}:{name}'.encode()).digest()[:8], 'big')
    return np.random.default_rng(own).permutation(len(grid))


def _drop_others(place: Path, names: set[str]) -> None:
    for file in place.iterdir():
        if file.name not in names:
            file.unlink()


def _key(path: Path, spec: TileSpec, *options: Any) -> str:
    """What decides the patches."""
    about = [stamp(path), str(spec), *map(str, options)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _finished(folder: Path, key: str) -> CutSlide | None:
    try:
        record = json.loads((folder / RECORD).read_text('utf-8'))
        if record['key'] != key:
            return None
        with (folder / 'tiles.csv').open(newline='', encoding='utf-8') as file:
            files = tuple(row['file'] for row in csv.DictReader(file))
        if not all((folder / name).is_file() for name in files):
            return None
        return CutSlide(folder, files, dict(record['counts']), float(record['enlarged']), True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(place: Path, rows: Sequence[Sequence[Any]], record: dict[str, Any]) -> None:
    lines = [','.join(COLUMNS), *(_csv_line(row) for row in rows)]
    write_text(place / 'tiles.csv', '\n'.join(lines) + '\n')
    write_text(place / RECORD, json.dumps(record, indent=1))


def _csv_line(row: Sequence[Any]) -> str:
    name = str(row[0])
    if any(sign in name for sign in ',"\n'):
        name = '"' + name.replace('"', '""') + '"'
    return ','.join([name, *map(str, row[1:])])
