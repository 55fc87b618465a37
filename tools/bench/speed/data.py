"""How fast patches come to the model: from a store and augmented in batches, beside one by one in Pillow.

Draws JPEGs of 300 × 300, which are brought to 224 × 224. One process and one thread of PyTorch on either
side; the files are in the system's cache. `identical` compares the published augmentation with the same
ranges in batches, `default` that of `AugmentPatch`. `growth` builds stores of 1 and 10 parts.

    python tools/bench/speed/data.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import in_turn, ratio, report, seconds

from cite.data.batch_augment import BatchAugment, ColourDraw, SymmetryDraw
from cite.data.dataset import PatchDataset
from cite.data.samplers import Draw
from cite.data.store import open_store
from cite.data.synthetic import write_patchgastric
from cite.data.table import PatchTable
from cite.data.transforms import AugmentPatch, PatchTransform
from cite.images import ResizePatch
from cite.legacy.augment import OriginalAugment

SIZE, SIDE = 300, 224


def draw(root: Path, patches: int) -> PatchTable:
    """`patches` JPEGs of synthetic tissue."""
    each = -(-patches // 6)
    write_patchgastric(root, slides_per_class=2, patches_per_slide=each, size=SIZE, progress=False)
    files = sorted(str(path.relative_to(root)) for path in root.rglob('*.jpg'))[:patches]
    return PatchTable(files, [0] * len(files), files, ('tissue',), root)


def published() -> BatchAugment:
    """`OriginalAugment` in batches: its ranges, its symmetries."""
    colour = ColourDraw(brightness=(0.8, 1.2), saturation=(0, 0.2), hue=(-0.1, 0.1))
    return BatchAugment(SymmetryDraw(), colour)


def sides(table: PatchTable, folder: Path, batch: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """Per comparison, the two that give the next batch."""
    bicubic, bilinear = ResizePatch(SIDE), ResizePatch(SIDE, 'bilinear')
    stores = {
        step: open_store(table, [step], folder, progress=False) for step in (bicubic, bilinear)
    }
    number = 0

    def single(*steps: Any) -> Callable[[], Any]:
        patches = PatchDataset(table, PatchTransform(*steps))

        def run() -> torch.Tensor:
            rows = next_rows()
            return torch.stack([patches[Draw(row, row)]['image'] for row in rows])

        return run

    def whole(step: Any, augment: BatchAugment) -> Callable[[], Any]:
        def run() -> torch.Tensor:
            rows = next_rows()
            return augment.draw(rows, 0)(stores[step].batch(rows))

        return run

    def next_rows() -> list[int]:
        nonlocal number
        number += batch
        return [row % len(table) for row in range(number, number + batch)]

    return {
        'decoding': {'single': single(bicubic), 'batch': whole(bicubic, BatchAugment())},
        'identical': {
            'single': single(bilinear, OriginalAugment()),
            'batch': whole(bilinear, published()),
        },
        'default': {
            'single': single(bicubic, AugmentPatch()),
            'batch': whole(bicubic, BatchAugment.of([AugmentPatch()])),
        },
    }


def growth(table: PatchTable, folder: Path) -> list[dict[str, float]]:
    """Building a store of a tenth of the patches and of all: seconds, and Python's memory at its peak."""
    found = []
    for patches in (len(table) // 10, len(table)):
        part = table.subset(np.arange(patches))
        shutil.rmtree(folder, ignore_errors=True)
        tracemalloc.start()
        took = seconds(
            lambda part=part: open_store(part, [ResizePatch(SIDE)], folder, progress=False)
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found.append(
            {
                'patches': patches,
                'seconds': took,
                'per_second': patches / took,
                'peak_mb': peak / 1e6,
            }
        )
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else '')
    parser.add_argument('--quick', action='store_true', help='few patches, one round')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_speed'))
    options = parser.parse_args(words)
    patches, batch, rounds = (20, 4, 1) if options.quick else (640, 64, 9)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    content: dict[str, Any] = {'patches': patches, 'batch': batch, 'rounds': rounds}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        table = draw(Path(folder) / 'images', patches)
        content['growth'] = growth(table, Path(folder) / 'growth')
        for name, both in sides(table, Path(folder) / 'store', batch).items():
            times = in_turn(both, rounds)
            rates = {side: batch / statistics.median(found) for side, found in times.items()}
            faster = ratio(times['single'], times['batch'])
            content[name] = {'per_second': rates, 'ratio': faster, 'seconds': times}
            rows.append([name, *(f'{rate:,.0f}' for rate in rates.values()), f'{faster:.1f}'])
    torch.set_num_threads(before)
    head = ('patches per second', 'one by one', 'store and batches', 'times as fast')
    report('Patches on their way to the model', head, rows, options.out / 'data.json', content)
    for part in content['growth']:
        print(
            f'store of {part["patches"]} patches: {part["per_second"]:,.0f} per second, '
            f'{part["peak_mb"]:.1f} MB at most'
        )


if __name__ == '__main__':
    main()
