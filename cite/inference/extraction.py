"""Features of many images into a file: in pieces, so that it can be stopped, resumed and shared."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from cite.encoders.tuned import evaluating
from cite.errors import DataError, ModelError
from cite.images.batches import BATCHES_AHEAD, read_image, stack
from cite.images.read_ahead import in_order, settle_workers
from cite.inference.batch_size import BatchSize
from cite.inference.batched import computing, outputs
from cite.inference.feature_files import check_suffix
from cite.inference.join import Extracted, finished, join, record_of
from cite.inference.parts import Chunk, Parts
from cite.inference.question import Question, ask, describe_after
from cite.inference.shards import Shard
from cite.precision import settle_precision

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower

CHUNK = 1024
"""Images per piece: what is lost at most when a run is killed. Batches do not reach over its end."""

Reader = Generator[Callable[[], Tensor], None, None]


def extract(
    tower: VisionTower,
    files: Sequence[str | Path],
    out: str | Path,
    *,
    names: Sequence[str] | None = None,
    prepare: Callable[[Any], Any] | None = None,
    after: nn.Module | None = None,
    about: Mapping[str, Any] | None = None,
    batch_size: int | Literal['auto'] = 'auto',
    precision: str = 'fp32',
    workers: int | None = None,
    shard: Shard | None = None,
    merge: bool = False,
    skip_bad: bool = False,
    chunk: int = CHUNK,
    progress: bool = False,
) -> Extracted:
    """Features of image files → `out`, with `out.csv` (row, file) and `out.json` (the record) beside it.

    What is finished is kept in `out.parts`, and used again where model, preprocessing, precision and images
    (path, size, time of change) are the same; features that are all there are not computed again. Memory
    does not grow with the number of images, but for their names.

    Args:
        tower: On the device that computes, with what tunes it.
        files: Images, in the order of the rows.
        out: `.npy`, `.npz`, `.safetensors` or `.parquet`.
        names: What the table of ids calls the images; default: their paths.
        prepare: Picture → picture of the tower's size; default: the tower's own resizing.
        after: What follows the tower, such as a neck or the projection into a common space: features
            (B, D) → (B, D'), which are written.
        about: Plain values that say what `prepare` does, and whatever else the record should tell.
        batch_size, precision, workers: As `VisionTower.encode_images` takes them.
        shard: The part that this process does; the one that finishes last joins all of them.
        merge: Only joins what is there.
        skip_bad: Leaves out what cannot be read, and lists it in the record.
        chunk: Images per piece.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: An image that cannot be read, or pieces that are missing at `merge`.
        ConfigError: A name, precision, batch size or number of workers that there is not.
        ModelError: A feature that is no number, or memory that does not last for one image.
    """
    out, shard = Path(out), shard or Shard()
    check_suffix(out)
    device = tower.mean.device
    settled = settle_precision(precision, device)
    size = BatchSize(batch_size, device)
    threads = settle_workers(workers)
    extra = {**describe_after(after, tower.feature_dim), **(about or {})}
    question = ask(tower, settled, extra, files, names, chunk, skip_bad)
    done = finished(out, question)
    if done is not None:
        return _as_asked(done, skip_bad)
    parts = Parts(out, question)
    if not merge:
        todo = [number for number in range(question.chunks) if shard.takes(number)]
        kept = [number for number in todo if _is_done(parts.find(number), skip_bad)]
        todo = [number for number in todo if number not in set(kept)]
        read = partial(read_image, prepare=prepare or tower.resize)
        rows = (question.files[row] for number in todo for row in question.rows(number))
        reader = in_order(read, rows, threads, lambda: BATCHES_AHEAD * size.now)
        start = sum(len(question.rows(number)) for number in kept)
        total = start + sum(len(question.rows(number)) for number in todo)
        follows = after or nn.Identity()
        compute = computing(lambda batch: follows(tower(batch)), device, settled)
        bar = _bar(start, total, shard, progress)
        with closing(reader), evaluating(tower), evaluating(follows), bar:
            for number in todo:
                found = _chunk(compute, reader, question, number, size, skip_bad, bar.update)
                parts.save(number, found)
    missing = parts.missing()
    if not missing:
        return _as_asked(join(parts, out), skip_bad)
    done = finished(out, question)  # another process has joined the pieces in the meantime
    if done is not None:
        return _as_asked(done, skip_bad)
    if merge:
        raise DataError(
            f'{parts.folder}: {len(missing)} of {question.chunks} pieces are missing; run every shard of '
            'the same command first, or the command without --shard and --merge'
        )
    return Extracted(out, missing=tuple(missing))


def _chunk(
    compute: Callable[[Tensor], Tensor],
    reader: Reader,
    question: Question,
    number: int,
    size: BatchSize,
    skip_bad: bool,
    update: Callable[[int], object],
) -> Chunk:
    """The next piece of what the reader gives."""
    rows: list[int] = []
    skipped: dict[int, str] = {}

    def batches() -> Iterable[Tensor]:
        images: list[Tensor] = []
        for row, image in zip(question.rows(number), reader, strict=False):
            try:
                images.append(image())
                rows.append(row)
            except DataError as error:
                if not skip_bad:
                    raise DataError(
                        f'{error}. What is finished is kept; --skip-bad (skip_bad=True) leaves such '
                        'images out'
                    ) from error
                skipped[row] = str(error)
                update(1)
            if len(images) >= size.now:
                yield stack(images, size.pin)
                images = []
        if images:
            yield stack(images, size.pin)

    found = [torch.empty(0, question.about['feature_dim'])]
    for features in outputs(compute, batches(), size):
        found.append(features)
        update(len(features))
    features = torch.cat(found)
    bad = (~features.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if bad:
        raise ModelError(
            f'{question.files[rows[bad[0]]]}: its feature is not finite in '
            f"{question.about['precision']} (as {len(bad)} of {len(rows)}); compute in precision='fp32'"
        )
    return Chunk(rows, features, skipped)


def _is_done(chunk: Chunk | None, skip_bad: bool) -> bool:
    """A piece that lacks images is no answer for who wants all of them."""
    return chunk is not None and (skip_bad or not chunk.skipped)


def _as_asked(done: Extracted, skip_bad: bool) -> Extracted:
    if done.skipped and not skip_bad:
        first = next(iter(done.skipped.values()))
        raise DataError(
            f'{done.out} leaves out {len(done.skipped)} images that cannot be read ({first}). Mend them, '
            f'accept it by --skip-bad, or remove {record_of(done.out)} to have them read again'
        )
    return done


def _bar(start: int, total: int, shard: Shard, progress: bool) -> Any:
    from tqdm import tqdm

    what = 'features' if shard.count == 1 else f'features {shard}'
    return tqdm(desc=what, initial=start, total=total, unit='patch', delay=2, disable=not progress)
