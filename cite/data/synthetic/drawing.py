"""Drawing what a set still lacks, slide by slide, in one process or several."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from cite.atomic import replacing
from cite.data.synthetic.cases import Case

JPEG_QUALITY = 90

T = TypeVar('T')


@dataclass(frozen=True)
class PatchTask:
    """The patches of one slide that are still to be drawn: their numbers and file names."""

    case: Case
    folder: Path
    size: int
    missing: tuple[tuple[int, str], ...]


def draw_missing_patches(
    folder: Path,
    names: Iterable[tuple[Case, Sequence[str]]],
    size: int,
    workers: int,
    progress: bool,
) -> None:
    """Draw the patches that `folder` lacks, as JPEG files of `size` pixels square.

    Args:
        folder: made where it is missing.
        names: slides, each with the file names of its patches in their order.
        size: pixels along a side.
        workers: processes; with more than one, a script needs `if __name__ == '__main__':`.
        progress: show a bar where it takes more than two seconds.
    """
    folder.mkdir(exist_ok=True)
    present = {path.name for path in folder.iterdir()}
    tasks = []
    for case, patches in names:
        missing = tuple((i, name) for i, name in enumerate(patches) if name not in present)
        if missing:
            tasks.append(PatchTask(case, folder, size, missing))
    total = sum(len(task.missing) for task in tasks)
    run(draw_patches, tasks, total, 'patch', workers, progress)


def draw_patches(task: PatchTask) -> int:
    """Draw a slide's missing patches and return their count; runs in worker processes."""
    slide = task.case.open()
    for number, name in task.missing:
        picture = Image.fromarray(slide.patch(number, task.size))
        with replacing(task.folder / name) as temporary:
            picture.save(temporary, 'JPEG', quality=JPEG_QUALITY)
    return len(task.missing)


def run(
    draw: Callable[[T], int],
    tasks: Sequence[T],
    total: int,
    unit: str,
    workers: int,
    progress: bool,
) -> None:
    """Do every task under a progress bar.

    Args:
        draw: does one task and returns how many units that were; a function of a module, so that
            worker processes find it.
        tasks: what is to be done; they may be done in any order.
        total: units of all tasks.
        unit: what the bar counts.
        workers: processes; 1 is this one.
        progress: show the bar where it takes more than two seconds.
    """
    from tqdm import tqdm

    with tqdm(total=total, desc='drawing', unit=unit, delay=2, disable=not progress) as bar:
        for count in _results(draw, tasks, min(workers, len(tasks))):
            bar.update(count)


def _results(draw: Callable[[T], int], tasks: Sequence[T], workers: int) -> Iterator[int]:
    """What each task returned, as tasks get done."""
    if workers <= 1:
        yield from map(draw, tasks)
        return
    context = multiprocessing.get_context('spawn')
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts)
    try:
        for done in as_completed([pool.submit(draw, task) for task in tasks]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process; a worker that dies of it in the queue would hang the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
