"""Many slides, a folder for each: what is done already stays, what fails is named, the others go on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cite.errors import CiteError, ConfigError
from cite.evaluation.aggregation import check_aggregation
from cite.inference.question import versions
from cite.inference.shards import Shard
from cite.serving import Predictor
from cite.slides.files import find_slides, stamp
from cite.slides.inference import BLUR, predict, tile_spec
from cite.slides.outputs.folder import OutputError, check_writable
from cite.slides.outputs.write import SUMMARY, Wanted, class_numbers, write_outputs
from cite.slides.overall import Row, row_of, write_rows
from cite.slides.readers.base import PLAUSIBLE
from cite.slides.written import check_targets, folder_names, place_of

FORMAT = 1
"""Of a slide's folder; other numbers are computed again."""


@dataclass(frozen=True)
class Options:
    """What decides a slide's folder besides slide and adapter; see `cite.slides.predict`."""

    mpp: float | None = None
    slide_mpp: float | None = None
    tile_size: int | None = None
    overlap: int = 0
    tissue: float = 0.5
    blur: float = BLUR
    aggregation: str = 'mean'
    top_k: int = 10
    classes: tuple[str, ...] = ()
    pdf: bool = False


@dataclass(frozen=True)
class Machine:
    """What changes nothing in the results."""

    batch_size: int | Literal['auto'] = 'auto'
    workers: int | None = None
    progress: bool = False
    debug: bool = False
    """Errors that are no fault of a slide are raised, not noted."""
    say: Callable[[str], None] = field(default=lambda text: None)


def predict_slides(
    sources: Sequence[Path],
    adapter: Path,
    trained: Predictor,
    out: Path,
    options: Options | None = None,
    shard: Shard | None = None,
    machine: Machine | None = None,
) -> list[Row]:
    """Asks an adapter about slides, and writes a folder for each and `slides.csv` over all.

    A folder that holds the answer to the same question (adapter, options, size and time of the slide,
    versions) is not computed again. Whatever is wrong with one slide is in its row, and the others go on.
    `slides.csv` also has the slides of former runs into `out`, and is written where the work ends early,
    too. With shards, each does every n-th slide, and whichever is done last writes it.

    Args:
        sources: Slides, and folders of slides.
        adapter: File of `trained`, for its digest.
        trained: Loaded.
        out: Folder of the folders.

    Returns:
        A row per slide of this shard, in order.

    Raises:
        DataError: A source that is missing, or no slides.
        ConfigError: An option out of range.
        OutputError: The disk is full or read-only, or a folder would replace what cite did not write.
    """
    options, machine = options or Options(), machine or Machine()
    shard = shard or Shard()
    _check(options, trained)
    slides = find_slides(sources)
    names = folder_names(slides, out)
    check_targets([out / name for name in names], slides)
    check_writable(out)
    about = _about(adapter, trained, options)
    key = _digest([about, names, [_stamp_or_none(slide) for slide in slides]])
    rows: list[Row] = []
    classes = list(trained.classes)
    try:
        for number, (slide, name) in enumerate(zip(slides, names, strict=True)):
            if not shard.takes(number):
                continue
            row = _one(slide, name, trained, out, options, machine, about)
            rows.append(row)
            machine.say(f'{number + 1}/{len(slides)} {row.line}')
    except BaseException:
        if shard.count == 1:  # a part that is not whole would be taken for one
            with suppress(OutputError):  # what happened first is told
                write_rows(out, rows, names, classes, shard, key)
        raise
    write_rows(out, rows, names, classes, shard, key)
    return rows


def _one(
    slide: Path,
    name: str,
    trained: Predictor,
    out: Path,
    options: Options,
    machine: Machine,
    about: dict[str, Any],
) -> Row:
    """One slide; what is wrong with it is in the row."""
    start = time.monotonic()
    folder = out / name
    try:
        key = _digest([about, place_of(slide), stamp(slide)])
        kept = finished(folder, key)
        if kept is not None:
            return row_of(kept, name, kept['seconds'] or 0.0, 'kept')
        result = predict(
            slide,
            trained,
            mpp=options.mpp,
            slide_mpp=options.slide_mpp,
            tile_size=options.tile_size,
            overlap=options.overlap,
            tissue=options.tissue,
            blur=options.blur,
            aggregation=options.aggregation,
            top_k=options.top_k,
            batch_size=machine.batch_size,
            workers=machine.workers,
            progress=machine.progress,
        )
        record = {name: about[name] for name in ('adapter', 'adapter_digest')}
        record['path'] = place_of(slide)
        wanted = Wanted(options.classes, options.pdf, record)
        found = write_outputs(result, folder, wanted, key, start, machine.progress)
    except OutputError:
        raise  # the next slide would meet the same
    except (CiteError, OSError) as error:
        return Row(name, str(slide), seconds=time.monotonic() - start, error=str(error))
    except Exception as error:  # a file from anywhere can break any library
        if machine.debug:
            raise
        why = f'{type(error).__name__}: {error} (--debug shows where)'
        return Row(name, str(slide), seconds=time.monotonic() - start, error=why)
    return row_of(found, name, found['seconds'], 'done')


def _stamp_or_none(slide: Path) -> list[tuple[str, int, int]] | None:
    try:
        return stamp(slide)
    except OSError:
        return None  # it fails by name


def finished(folder: Path, key: str) -> dict[str, Any] | None:
    """The summary of a folder that holds the whole answer to a question, else None."""
    try:
        found: dict[str, Any] = json.loads((folder / SUMMARY).read_text('utf-8'))
        whole = all((folder / file).stat().st_size for file in found['files'])
        return found if found['key'] == key and whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check(options: Options, trained: Predictor) -> None:
    """Now, not after the first slide.

    Raises:
        ConfigError: An option out of its range.
    """
    check_aggregation(options.aggregation, options.top_k)
    tile_spec(trained, options.mpp, options.tile_size, options.overlap, options.tissue)
    class_numbers(trained.classes, options.classes)
    if not 0 <= options.blur < float('inf'):
        raise ConfigError(f'the least sharpness (--blur) must be 0 or more, found {options.blur}')
    given = options.slide_mpp
    if given is not None and not PLAUSIBLE[0] <= given <= PLAUSIBLE[1]:
        raise ConfigError(
            f'--slide-mpp must be {PLAUSIBLE[0]} to {PLAUSIBLE[1]} µm per pixel, found {given}'
        )


def _about(adapter: Path, trained: Predictor, options: Options) -> dict[str, Any]:
    """What all slides' questions share."""
    tower = trained.classifier.backbone
    return {
        'format': FORMAT,
        'adapter': adapter.name,
        'adapter_digest': hashlib.sha256(adapter.read_bytes()).hexdigest(),
        'model_digest': tower.digest,
        'precision': trained.precision(tower.mean.device),
        'options': asdict(options),
        'versions': versions(),
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
