"""Images per second of feature extraction: reading, the model, both in turn, both at once; and its growth.

The tower is random: speed does not hang on what it has learned. The JPEGs are drawn tissue. All ways take
turns in one process; every size of the growth runs in a process of its own, whose peak of memory it is.

    python tools/bench/speed/features.py --model timm:vit_base_patch16_224
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from measure import in_turn, ratio, report, seconds
from PIL import Image

from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.tissue import open_slide
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision
from cite.images.batches import image_batches
from cite.images.read_ahead import settle_workers
from cite.inference import computing, extract
from cite.inference.batch_size import BatchSize
from cite.inference.device import settle_device

SIDE = 300
"""Pixels of a drawn patch, as of PatchGastric."""
GROWTH_MODEL = 'random-vit-tiny'
DRAWN = 64
"""Different JPEGs; more patches than that are the same files again."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='timm:vit_base_patch16_224', help='any name of a model')
    parser.add_argument('--patches', type=int, help='default: 4096 on a GPU, 64 on a CPU')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--workers', type=int, help='default: as the library')
    parser.add_argument('--batch-size', default='auto', help="a number, or 'auto'")
    parser.add_argument('--growth', type=int, default=200, help='patches at 1×; 0: no growth')
    parser.add_argument('--times', type=int, nargs='+', default=(1, 10, 100), help='of the growth')
    parser.add_argument('--device', help='cpu, cuda or cuda:N')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_speed'))
    parser.add_argument('--quick', action='store_true', help='a tiny model and few patches')
    parser.add_argument('--one', nargs=2, metavar=('FOLDER', 'COUNT'), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(one_size(Path(args.one[0]), int(args.one[1]), args.device)))
        return
    if args.quick:
        args.model, args.patches, args.rounds = GROWTH_MODEL, 16, 1
        args.growth, args.times = 40, (1, 10)
    with tempfile.TemporaryDirectory() as folder:
        files = draw(Path(folder) / 'patches', 8 if args.quick else DRAWN)
        content: dict[str, Any] = {'ways': ways(args, files, Path(folder))}
        if args.growth:
            counts = [args.growth * times for times in args.times]
            content['growth'] = [one_process(Path(folder), n, args.device) for n in counts]
    show(args, content)


def draw(folder: Path, count: int) -> list[Path]:
    """JPEGs of drawn tissue."""
    folder.mkdir(parents=True)
    files = [folder / f'{number:03}.jpg' for number in range(count)]
    grades = list(Grade)
    for number, file in enumerate(files):
        slide = open_slide(0, grades[number % len(grades)], number)
        Image.fromarray(slide.patch(0, SIDE)).save(file, quality=90)
    return files


def listed(files: Sequence[Path], count: int) -> list[Path]:
    return [files[number % len(files)] for number in range(count)]


def ways(args: argparse.Namespace, files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Images per second of every way to go through the same patches."""
    device = settle_device(args.device)
    tower = load_vision(args.model, pretrained=False).to(device).eval()
    paths = listed(files, args.patches or (4096 if device.type == 'cuda' else 64))
    chosen = args.batch_size if args.batch_size == 'auto' else int(args.batch_size)
    size = settled_size(tower, device, chosen)
    workers = settle_workers(args.workers)
    pin = device.type == 'cuda'
    pixels = next(image_batches(listed(files, size), tower.resize, size, pin=pin))
    counts = [min(size, len(paths) - start) for start in range(0, len(paths), size)]
    options: dict[str, Any] = {'batch_size': size, 'workers': workers}

    def reading() -> None:
        for _ in image_batches(paths, tower.resize, size, workers):
            pass

    def alone(precision: str) -> None:
        compute = computing(tower, device, precision)
        last = [compute(pixels[:count]) for count in counts][-1]
        last.cpu()

    def plain() -> None:
        compute = computing(tower, device, 'fp32')
        for batch in image_batches(paths, tower.resize, size):
            compute(batch).cpu()

    def to_file(precision: str) -> None:
        out = folder / 'features.npy'
        extract(tower, paths, out, precision=precision, **options)
        for path in folder.glob('features.npy*'):
            path.unlink()

    times = in_turn(
        {
            'reading': reading,
            'model fp32': lambda: alone('fp32'),
            'model bf16': lambda: alone('bf16'),
            'plain loop fp32': plain,
            'extract fp32': lambda: to_file('fp32'),
            'extract bf16': lambda: to_file('bf16'),
        },
        args.rounds,
    )
    rates = {way: len(paths) / statistics.median(took) for way, took in times.items()}
    bounds = {p: min(rates['reading'], rates[f'model {p}']) for p in ('fp32', 'bf16')}
    return {
        'model': args.model,
        'device': str(device),
        'patches': len(paths),
        'batch_size': size,
        'workers': workers,
        'images_per_second': rates,
        'share_of_the_slower': {p: rates[f'extract {p}'] / bounds[p] for p in bounds},
        'extract_over_plain': {
            p: ratio(times['plain loop fp32'], times[f'extract {p}']) for p in bounds
        },
        'seconds': times,
    }


def settled_size(tower: VisionTower, device: torch.device, chosen: Any) -> int:
    """The size that 'auto' comes to on this device."""
    size = BatchSize(chosen, device)
    side = tower.image_size
    images = torch.zeros(size.now, 3, side, side, dtype=torch.uint8)
    compute = computing(tower, device, 'fp32')
    compute(images)  # what the first call alone needs
    size.before()
    compute(images)
    size.after(len(images))
    return size.now


def one_process(folder: Path, count: int, device: str | None) -> dict[str, Any]:
    words = [sys.executable, __file__, '--one', str(folder), str(count)]
    words += ['--device', device] if device else []
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def one_size(folder: Path, count: int, device: str | None) -> dict[str, Any]:
    """Seconds and peak of memory of one extraction by a tiny model."""
    tower = load_vision(GROWTH_MODEL, pretrained=False).to(settle_device(device))
    paths = listed(sorted((folder / 'patches').iterdir()), count)
    extract(tower, paths[:32], folder / 'first.npy')  # what the first call alone takes
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = seconds(lambda: extract(tower, paths, folder / f'{count}.npy'))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in folder.glob('*.npy*'):
        path.unlink()
    return {
        'patches': count,
        'seconds': took,
        'patches_per_second': count / took,
        'peak_mb': peak / 1024,
        'more_than_at_start_mb': (peak - before) / 1024,
    }


def show(args: argparse.Namespace, content: dict[str, Any]) -> None:
    found = content['ways']
    rows = [[way, f'{rate:.1f}'] for way, rate in found['images_per_second'].items()]
    share = ', '.join(f'{p}: {v:.2f}' for p, v in found['share_of_the_slower'].items())
    more = ', '.join(f'{p}: {v:.2f}' for p, v in found['extract_over_plain'].items())
    title = (
        f'{found["model"]} on {found["device"]}, batches of {found["batch_size"]}, '
        f'{found["workers"]} workers'
    )
    report(title, ['', 'images/s'], rows, args.out / 'features.json', content)
    print(f'extract / the slower of reading and model: {share}')
    print(f'extract / plain loop in fp32: {more}')
    for size in content.get('growth', ()):
        print(
            f'{GROWTH_MODEL}, {size["patches"]} patches: {size["seconds"]:.1f} s '
            f'({size["patches_per_second"]:.0f}/s), peak of memory {size["peak_mb"]:.0f} MB'
        )


if __name__ == '__main__':
    main()
