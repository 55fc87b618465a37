"""Whole slides: tiles per second of reading alone, of the model alone, and of both together.

    python tools/bench/slides.py --out slides.json
    python tools/bench/slides.py --slide slide.svs --slide-mpp 0.5 --models uni

'together' is `cite.slides.predict`'s part that reads and scores tiles. It is compared with the slower of
both, each of which has all cores for itself; and with the bound: where reading and computing share the same
cores, the work of both adds up, so that together they reach 1 / (1/reading + 1/model) at best if each keeps
all cores busy alone. With a model on a GPU the slower of both is the bound. Repeats alternate between the
three, so a machine that is busy at times is so for all; medians and ratios are reported.

The models have random weights, so nothing is downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from cite.adapter import AdapterInfo
from cite.atomic import write_json
from cite.classifier import assemble
from cite.data.transforms import PatchTransform
from cite.images.batches import read_image, stack
from cite.images.read_ahead import default_workers, in_order
from cite.inference.device import settle_device
from cite.serving import Predictor
from cite.slides import inference
from cite.slides.overview import look
from cite.slides.readers import SlideReader, open_slide
from cite.slides.tiles import read_tile, sharpness
from cite.slides.tiling import Grid, TileSpec, make_grid, settle_mpp
from cite.slides.tissue import find_tissue

BATCH = 32


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--slide', type=Path, help='default: one is drawn')
    parser.add_argument('--slide-mpp', type=float)
    parser.add_argument('--mpp', type=float, default=0.5)
    parser.add_argument('--tile-size', type=int, default=224)
    parser.add_argument('--models', nargs='+', default=['tiny-tissue', 'vit-b16-in21k-google'])
    parser.add_argument('--tiles', type=int, default=256, help='of a repeat, at most')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--workers', type=int, default=default_workers())
    parser.add_argument('--device', help='default: what there is')
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.slide or _drawn(Path(folder))
        with open_slide(path) as slide:
            mpp = settle_mpp(slide, args.slide_mpp)
            tissue = find_tissue(look(slide, mpp)[0], slide.size, mpp)
            spec = TileSpec(args.tile_size, args.mpp)
            grid = _some(make_grid(slide, spec, tissue, mpp), args.tiles)
            results = [
                measure(slide, grid, mpp, predictor(model, args.device), args) | {'model': model}
                for model in args.models
            ]
    print(f'{len(grid)} tiles, {args.workers} readers, {torch.get_num_threads()} threads of torch')
    print(f'{"model":28}{"reading":>9}{"model":>9}{"together":>9}  of the slower  of the bound')
    for row in results:
        print(
            f'{row["model"]:28}{row["reading"]:9.1f}{row["model_alone"]:9.1f}{row["together"]:9.1f}'
            f'{row["of_the_slower"]:15.2f}{row["of_the_bound"]:14.2f}'
        )
    if args.out:
        write_json(args.out, {'tiles': len(grid), 'workers': args.workers, 'results': results})


def measure(
    slide: SlideReader, grid: Grid, mpp: tuple[float, float], trained: Predictor, args: Any
) -> dict[str, Any]:
    """Tiles per second, each way, and how they compare."""
    device = trained.classifier.backbone.mean.device
    prepare = PatchTransform(trained.stain, trained.resize)
    ready = stack([read_image(read_tile(slide, grid, n), prepare) for n in range(BATCH)])

    def reading() -> None:
        def one(number: int) -> Any:
            tile = read_tile(slide, grid, number)
            return sharpness(tile), read_image(tile, prepare)

        ahead = in_order(one, range(len(grid)), args.workers, lambda: 2 * BATCH)
        with closing(ahead):
            for result in ahead:
                result()

    def computing() -> None:
        with torch.inference_mode():
            for start in range(0, len(grid), BATCH):
                batch = ready[: min(BATCH, len(grid) - start)].to(device)
                trained.classifier(batch).softmax(1).cpu()

    def together() -> None:
        inference._scores(slide, grid, mpp, trained, 0.0, BATCH, args.workers, False)

    ways: dict[str, Callable[[], None]] = {
        'reading': reading,
        'model_alone': computing,
        'together': together,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(args.repeats + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if repeat:  # the first one warms up
                seconds[name].append(time.perf_counter() - begin)
    rates = {name: len(grid) / statistics.median(each) for name, each in seconds.items()}
    slower = min(rates['reading'], rates['model_alone'])
    bound = 1 / (1 / rates['reading'] + 1 / rates['model_alone'])
    bound = slower if device.type == 'cuda' else bound
    return {
        **rates,
        'of_the_slower': rates['together'] / slower,
        'of_the_bound': rates['together'] / bound,
        'device': str(device),
    }


def predictor(model: str, device: str | None) -> Predictor:
    """An adapter in memory, with a linear head that nobody trained."""
    torch.manual_seed(0)
    backbone = {'model': model, 'pretrained': False, 'tuning': None}
    head = {'type': 'LinearHead'}
    classifier = assemble(backbone, None, head, ('a', 'b', 'c')).to(settle_device(device))
    info = AdapterInfo(backbone, None, head, ['a', 'b', 'c'], classifier.backbone.digest, {})
    return Predictor(classifier, info)


def _some(grid: Grid, most: int) -> Grid:
    from dataclasses import replace

    return replace(grid, x=grid.x[:most], y=grid.y[:most], tissue=grid.tissue[:most])


def _drawn(folder: Path) -> Path:
    from cite.data.synthetic.cases import cases
    from cite.data.synthetic.slides import _Task, draw_slide

    path = folder / 'drawn.tif'
    draw_slide(_Task(cases(0, 'any', 1)[0], path, 4096))
    return path


if __name__ == '__main__':
    main()
