"""A slide and an adapter → what the model says of it. Threads read tiles while the model computes."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cite.data.transforms import PatchTransform
from cite.errors import ConfigError, DataError
from cite.evaluation.aggregation import check_aggregation
from cite.images.batches import BATCHES_AHEAD, read_image, stack
from cite.images.read_ahead import in_order, settle_workers
from cite.inference.batch_size import BatchSize
from cite.inference.batched import computing, outputs
from cite.inference.question import versions
from cite.serving import Predictor, load
from cite.slides.overview import look
from cite.slides.readers import RegionError, SlideReader, open_slide
from cite.slides.result import SlideResult
from cite.slides.tiles import read_tile, sharpness
from cite.slides.tiling import Grid, TileSpec, enlarged, make_grid, settle_mpp
from cite.slides.tissue import find_tissue

if TYPE_CHECKING:
    from tqdm import tqdm

BLUR = 0.02
"""Least sharpness of a tile. Tiles of two real slides at 0.5 µm per pixel have 0.04 to 1.6 (median 0.5),
the same ones under a Gaussian blur of two pixels 0.001 to 0.03 (median 0.015), of three up to 0.008."""
MOST_DAMAGED = 0.5
"""Where more than this part of the tiles cannot be read, the slide is damaged, not a region of it."""


class _Read(NamedTuple):
    """A tile on its way to the model."""

    image: Tensor | None
    sharp: float
    why: str = ''


def predict(
    slide: str | Path,
    adapter: str | Path | Predictor,
    *,
    mpp: float | None = None,
    slide_mpp: float | None = None,
    override_mpp: bool = False,
    tile_size: int | None = None,
    overlap: int = 0,
    tissue: float = 0.5,
    blur: float = BLUR,
    aggregation: str = 'mean',
    top_k: int = 10,
    batch_size: int | Literal['auto'] = 'auto',
    workers: int | None = None,
    progress: bool = False,
) -> SlideResult:
    """What an adapter says of a slide; nothing is written.

    Args:
        slide: File (or folder, for DICOM) of a whole slide.
        adapter: `adapter.safetensors`, or a loaded one.
        mpp: Micrometres per pixel of the tiles; default: as the adapter was trained.
        slide_mpp: Of the slide's level 0, where its file does not say it.
        override_mpp: Whether `slide_mpp` counts where the file says another one, too.
        tile_size: Pixels; default: as the adapter was trained.
        overlap: Pixels that neighbouring tiles share.
        tissue: Least part of a tile that is tissue.
        blur: Least sharpness of a tile, see `cite.slides.tiles.sharpness`; 0 takes all.
        aggregation, top_k: From tiles to the slide, see `cite.evaluation.aggregation`.
        batch_size, workers: As `Predictor.predict` takes them; they change nothing in the result.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: A slide that cannot be opened or does not say its resolution, no tissue, or more than
            half of the tiles damaged.
        ConfigError: An adapter that does not say its resolution, or an option out of its range.
        CheckpointError, ModelError: As `cite.load`.
    """
    check_aggregation(aggregation, top_k)
    if not blur >= 0:
        raise ConfigError(f'the least sharpness (blur) must be 0 or more, found {blur}')
    trained = adapter if isinstance(adapter, Predictor) else load(adapter)
    spec = tile_spec(trained, mpp, tile_size, overlap, tissue)
    with open_slide(slide) as opened:
        resolution = settle_mpp(opened, slide_mpp, override_mpp)
        from_file = opened.mpp is not None and resolution == opened.mpp
        picture, unread = look(opened, resolution, workers, progress)
        found = find_tissue(picture, opened.size, resolution, unread=unread)
        grid = make_grid(opened, spec, found, resolution)
        if not len(grid):
            raise DataError(_no_tiles(opened, found.share, spec, resolution))
        read = _scores(opened, grid, resolution, trained, blur, batch_size, workers, progress)
        result = SlideResult(
            path=Path(slide),
            classes=tuple(trained.classes),
            grid=grid,
            mpp=resolution,
            size=opened.size,
            picture=picture,
            tissue=found,
            aggregation=aggregation,
            top_k=top_k,
            record=_record(opened, trained, spec, resolution, blur, aggregation, top_k)
            | {'mpp_from': 'the file' if from_file else 'given'},
            **read,
        )
    if len(result.damaged) > MOST_DAMAGED * len(grid):
        raise DataError(
            f'slide {slide}: {len(result.damaged)} of {len(grid)} tiles cannot be read, so it is damaged '
            f'or cut off ({next(iter(result.damaged.values()))}); copy it again from where it comes from'
        )
    return result


def tile_spec(
    trained: Predictor,
    mpp: float | None = None,
    tile_size: int | None = None,
    overlap: int = 0,
    tissue: float = 0.5,
) -> TileSpec:
    """Tiles as the patches of an adapter's training were.

    Raises:
        ConfigError: The adapter does not say their resolution, and `mpp` is not given.
    """
    said = trained.info.preprocessing
    mpp = said.get('mpp') if mpp is None else mpp
    size = tile_size
    if size is None:
        size = said.get('patch_size') or trained.classifier.backbone.image_size
    if mpp is None:
        raise ConfigError(
            'the adapter does not say at which resolution (mpp) it was trained. Give it: --mpp 0.5 for '
            'patches of a 20x objective, 0.25 for 40x; and train with mpp in the data set, so that the '
            'adapter knows'
        )
    return TileSpec(int(size), float(mpp), overlap, tissue)


def _scores(
    slide: SlideReader,
    grid: Grid,
    mpp: tuple[float, float],
    trained: Predictor,
    blur: float,
    batch_size: int | Literal['auto'],
    workers: int | None,
    progress: bool,
) -> dict[str, Any]:
    """Scores of tiles, and what became of the others."""
    device = trained.classifier.backbone.mean.device
    size = BatchSize(batch_size, device)
    prepare = PatchTransform(trained.stain, trained.resize)
    sharp = np.full(len(grid), np.nan, np.float32)
    rows: list[int] = []
    blurred: list[int] = []
    damaged: dict[int, str] = {}
    by = enlarged(grid.spec, mpp)

    def read(number: int) -> _Read:
        try:
            tile = read_tile(slide, grid, number)
        except RegionError as error:
            return _Read(None, float('nan'), str(error))
        value = sharpness(tile, by)
        return _Read(read_image(tile, prepare) if value >= blur else None, value)

    def batches(tiles: Generator[Any, None, None], bar: tqdm[Any]) -> Iterable[Tensor]:
        images: list[Tensor] = []
        for number, tile in enumerate(tiles):
            found: _Read = tile()
            sharp[number] = found.sharp
            if found.image is not None:
                images.append(found.image)
                rows.append(number)
            elif found.why:
                damaged[number] = found.why
            else:
                blurred.append(number)
            bar.update(1)
            if len(images) >= size.now:
                yield stack(images, size.pin)
                images = []
        if images:
            yield stack(images, size.pin)

    compute = computing(
        lambda batch: trained.classifier(batch).softmax(1), device, trained.precision(device)
    )
    from tqdm import tqdm

    scores = [torch.empty(0, len(trained.classes))]
    ahead = in_order(
        read, range(len(grid)), settle_workers(workers), lambda: BATCHES_AHEAD * size.now
    )
    with (
        closing(ahead),
        tqdm(
            total=len(grid), desc=slide.path.name, unit='tile', delay=2, disable=not progress
        ) as bar,
    ):
        scores += list(outputs(compute, batches(ahead, bar), size))
    return {
        'rows': np.array(rows, np.int64),
        'scores': torch.cat(scores).numpy(),
        'sharpness': sharp,
        'damaged': damaged,
        'blurred': np.array(blurred, np.int64),
    }


def _no_tiles(slide: SlideReader, share: float, spec: TileSpec, mpp: tuple[float, float]) -> str:
    width, height = (length * unit / 1000 for length, unit in zip(slide.size, mpp, strict=True))
    side = spec.size * spec.mpp / 1000
    what = f'slide {slide.path}: no tile of {spec.size} pixels at {spec.mpp} mpp ({side:.2f} mm)'
    if min(width, height) < side:
        return f'{what} fits into it, it has {width:.2f} x {height:.2f} mm. Give smaller tiles'
    if not share:
        return f'{what} has tissue: none was found on it. Is it stained? Is it the label or a white scan?'
    return (
        f'{what} has {spec.tissue:.0%} of tissue, which covers {share:.1%} of the slide; lower --tissue, '
        'or give smaller tiles'
    )


def _record(
    slide: SlideReader,
    trained: Predictor,
    spec: TileSpec,
    mpp: tuple[float, float],
    blur: float,
    aggregation: str,
    top_k: int,
) -> dict[str, Any]:
    tower = trained.classifier.backbone
    return {
        'slide': slide.path.name,
        'vendor': slide.vendor,
        'size': list(slide.size),
        'mpp': list(mpp),
        'tile_size': spec.size,
        'tile_mpp': spec.mpp,
        'overlap': spec.overlap,
        'least_tissue': spec.tissue,
        'least_sharpness': blur,
        'enlarged': enlarged(spec, mpp),
        'aggregation': aggregation if aggregation != 'topk' else f'topk ({top_k})',
        'model': tower.card.name,
        'model_digest': tower.digest,
        'preprocessing': trained.info.preprocessing,
        'precision': trained.precision(tower.mean.device),
        'versions': versions(),
    }
