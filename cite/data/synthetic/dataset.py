"""Write the synthetic set in PatchGastric's own layout, so that one reader serves both."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from cite.atomic import replacing, write_json, write_text
from cite.data.randomness import generator
from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.captions import caption, subtype
from cite.data.synthetic.tissue import SMALLEST, open_slide
from cite.errors import ConfigError, DataError

VERSION = 1  # raise it when the same seed draws other pixels
_MARK = 'cite.data.synthetic'
_NOTE = 'synthetic: procedurally drawn, no patient'


def write_patchgastric(
    root: Path,
    slides_per_class: int = 30,
    patches_per_slide: int = 8,
    size: int = 300,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Draw H&E-like tissue of three grades into `root` and return it.

    Writes `captions.csv` (id, subtype, text; one row per slide), `patches_captions/{id}_{hash}.jpg`
    (RGB, `size` pixels square, about 0.75 micrometres each) and `dataset.json`, which says what it
    is. The poorly differentiated slides are solid and non-solid in turn. Seed, grade, slide number
    and patch number fix every pixel: more slides or workers leave those already drawn as they are.
    A complete set of the same parameters is left as it is, an interrupted one is continued;
    `captions.csv` is written last. With `workers` > 1 a script needs the usual
    `if __name__ == '__main__':` guard.

    Raises:
        ConfigError: a count or size out of range.
        DataError: `root` holds something else, or a set of other parameters; nothing is changed.
    """
    _check_least(slides_per_class=(slides_per_class, 1), patches_per_slide=(patches_per_slide, 1))
    _check_least(size=(size, SMALLEST), seed=(seed, 0), workers=(workers, 1))
    root = Path(root)
    parameters = {
        'version': VERSION,
        'seed': seed,
        'slides_per_class': slides_per_class,
        'patches_per_slide': patches_per_slide,
        'size': size,
    }
    _claim(root, parameters)
    patches = root / 'patches_captions'
    patches.mkdir(exist_ok=True)
    present = {path.name for path in patches.iterdir()}
    tasks = []
    for grade in Grade:
        for number in range(slides_per_class):
            names = _patch_names(seed, grade, number, patches_per_slide)
            missing = tuple((i, name) for i, name in enumerate(names) if name not in present)
            if missing:
                tasks.append(_Task(patches, seed, grade, number, size, missing))
    _run(tasks, workers, progress)
    table = root / 'captions.csv'
    if not table.exists():
        write_text(table, _captions(seed, slides_per_class))
    return root


@dataclass(frozen=True)
class _Task:
    """The patches of one slide that are still to be drawn: their numbers and file names."""

    folder: Path
    seed: int
    grade: Grade
    number: int
    size: int
    missing: tuple[tuple[int, str], ...]


def _draw_slide(task: _Task) -> int:
    """Draw a slide's missing patches and return their count; runs in worker processes."""
    slide = open_slide(task.seed, task.grade, task.number)
    for number, name in task.missing:
        picture = Image.fromarray(slide.patch(number, task.size))
        with replacing(task.folder / name) as temporary:
            picture.save(temporary, 'JPEG', quality=90)
    return len(task.missing)


def _run(tasks: list[_Task], workers: int, progress: bool) -> None:
    from tqdm import tqdm

    total = sum(len(task.missing) for task in tasks)
    # the bar appears only when the work lasts
    with tqdm(total=total, desc='drawing', unit='patch', delay=2, disable=not progress) as bar:
        for count in _results(tasks, min(workers, len(tasks))):
            bar.update(count)


def _results(tasks: list[_Task], workers: int) -> Iterator[int]:
    """The number of patches of each slide, as slides get done."""
    if workers <= 1:
        yield from map(_draw_slide, tasks)
        return
    context = multiprocessing.get_context('spawn')
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts)
    try:
        for done in as_completed([pool.submit(_draw_slide, task) for task in tasks]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process; a worker that dies of it in the queue would hang the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check_least(**bounds: tuple[int, int]) -> None:
    for name, (given, least) in bounds.items():
        if isinstance(given, bool) or not isinstance(given, int) or given < least:
            raise ConfigError(
                f'synthetic set: {name} must be a whole number from {least}, got {given!r}'
            )


def _claim(root: Path, parameters: dict[str, int]) -> None:
    """Mark an empty or new folder as ours; refuse one that holds anything but this very set."""
    if root.exists() and not root.is_dir():
        raise DataError(f'{root}: is a file; the synthetic set needs a folder')
    marker = root / 'dataset.json'
    if not root.exists() or not any(root.iterdir()):
        root.mkdir(parents=True, exist_ok=True)
        about = {
            'generator': _MARK,
            'note': _NOTE,
            **parameters,
            'slides': parameters['slides_per_class'] * len(Grade),
            'patches': parameters['slides_per_class']
            * len(Grade)
            * parameters['patches_per_slide'],
            'written_with': {'numpy': np.__version__, 'pillow': PIL.__version__},
        }
        write_json(marker, about)
        return
    found = _read_marker(marker)
    if found.get('generator') != _MARK:
        raise DataError(
            f'{root}: is not empty and not a synthetic set (no {marker.name} of ours); '
            'nothing was written. Name a new or empty folder'
        )
    for name, asked in parameters.items():
        if found.get(name) != asked:
            raise DataError(
                f'{root}: holds a synthetic set of {name} {found.get(name)!r}, not {asked!r}; '
                'nothing was written. Name another folder or remove this one'
            )


def _read_marker(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _captions(seed: int, slides_per_class: int) -> str:
    """The table, in the order of the ids, which mixes the grades."""
    rows = []
    for grade in Grade:
        for number in range(slides_per_class):
            slide = open_slide(seed, grade, number).attributes
            text = caption(generator('synthetic caption', seed, grade, number), slide)
            rows.append((_slide_id(seed, grade, number), subtype(slide), text))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator='\n')
    writer.writerow(('id', 'subtype', 'text'))
    writer.writerows(sorted(rows))
    return table.getvalue()


def _slide_id(*path: int) -> str:
    """32 hexadecimal characters that say nothing, as PatchGastric's do."""
    return hashlib.blake2b(repr((_MARK, *map(int, path))).encode(), digest_size=16).hexdigest()


def _patch_names(seed: int, grade: Grade, number: int, count: int) -> list[str]:
    slide = _slide_id(seed, grade, number)
    return [f'{slide}_{_slide_id(seed, grade, number, i)}.jpg' for i in range(count)]
