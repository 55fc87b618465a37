"""Training on kept activations against training that computes the frozen part in every step.

    python tools/bench/speed/cached.py --out work_dirs/bench_speed

Runs of `cite train` (mmengine's loop, hooks and checkpoints included), on random weights of ViT-B/16 and
patches that are drawn here. A cached run is measured whole: computing, writing and reading what is kept,
then all of its iterations. An uncached run is measured for `--measured` iterations (the first ones left
out) and extrapolated to `--iterations`, and so is a cached run that still computes blocks. Starting Python
and building the model belong to neither.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measure import report
from PIL import Image

CLASSES = ('well', 'moderate', 'poor')
TIP = {'type': 'TipAdapterHead', 'trains': True}
TEXT = {'texts': list(CLASSES), 'text_encoder': {'type': 'TextEncoder', 'model': 'tiny-tissue'}}
PROJECTION = {'type': 'ProjectionNeck'}
PROMPTS = 'prompts from block 9'
METHODS: dict[str, dict[str, Any]] = {
    'linear probe': {'head': {'type': 'LinearHead'}},
    'text anchors': {'neck': PROJECTION, 'head': {'type': 'TextEmbeddingHead', **TEXT}},
    'Tip-Adapter-F': {'neck': {**PROJECTION, 'frozen': True}, 'head': {**TIP, **TEXT}},
    PROMPTS: {
        'tuning': {'type': 'VisualPrompt', 'length': 4, 'layers': [9, 10, 11]},
        'head': {'type': 'LinearHead'},
    },
}
LEFT_OUT = 1
"""Iterations at the start of a measured run, while workers and kernels warm up."""


@dataclass
class Clock:
    """When training and its loop began, and when each iteration ended."""

    start: float = 0.0
    loop: float = 0.0
    ends: list[float] = field(default_factory=list)

    def install(self) -> None:
        from cite.mm.loop import CiteTrainLoop
        from cite.mm.runner import CiteRunner

        train, run, run_iter = CiteRunner.train, CiteTrainLoop.run, CiteTrainLoop.run_iter

        def timed_train(runner: Any) -> Any:
            self.start = time.perf_counter()
            return train(runner)

        def timed_run(loop: Any) -> Any:
            self.loop, self.ends = time.perf_counter(), []
            return run(loop)

        def timed_iter(loop: Any, batch: Any) -> None:
            run_iter(loop, batch)
            self.ends.append(time.perf_counter())

        CiteRunner.train, CiteTrainLoop.run, CiteTrainLoop.run_iter = (
            timed_train,
            timed_run,
            timed_iter,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_speed'))
    parser.add_argument('--model', default='timm:vit_base_patch16_224')
    parser.add_argument('--patches', type=int, default=775)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--iterations', type=int, default=1000)
    parser.add_argument('--measured', type=int, default=20, help='of an uncached run')
    parser.add_argument('--views', type=int, default=1, help='of each patch; 1 is no augmentation')
    parser.add_argument('--precision', default='auto')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS))
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--quick', action='store_true', help='a tiny tower and few iterations')
    args = parser.parse_args()
    if args.quick:
        args.model, args.patches, args.batch, args.workers = 'random-vit-tiny', 12, 3, 0
        args.iterations, args.measured = 3, 2
        args.methods = [name for name in args.methods if name != PROMPTS]
    clock = Clock()
    clock.install()
    with tempfile.TemporaryDirectory() as folder:
        os.environ['CITE_CACHE'] = str(Path(folder) / 'cache')
        data = draw(Path(folder) / 'data', args.patches)
        found: dict[str, dict[str, Any]] = {}
        for name in args.methods:
            found[name] = compare(name, data, args, clock)
            tell(found, args)  # a long run that is ended early has not been for nothing


def tell(found: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    """Prints and writes what is known so far."""
    head = [
        f'{args.iterations:,} iterations × {args.batch}, {args.patches} patches × {args.views}',
        'uncached, s (extrapolated)',
        'cached, s',
        'of it before the first iteration, s',
        'ratio',
        'kept, MiB',
    ]
    rows = [
        [
            name,
            f'{r["uncached_seconds_extrapolated"]:,.0f}',
            f'{r["cached_seconds"]:,.1f}' + (' (extrapolated)' if r['cached_extrapolated'] else ''),
            f'{r["building_seconds"]:,.1f}',
            f'{r["ratio"]:.1f}',
            f'{r["kept_mib"]:,.1f}',
        ]
        for name, r in found.items()
    ]
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    content = {'settings': settings, 'methods': found}
    report('Cached against uncached training', head, rows, args.out / 'cached.json', content)


def draw(root: Path, count: int) -> Path:
    """JPEGs of 300 × 300 pixels and their manifest: blurred noise, as large as tissue when compressed."""
    (root / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ['file,label,slide']
    for number in range(count):
        coarse = rng.integers(90, 250, (75, 75, 3)).astype(np.uint8)
        file = f'images/{number}.jpg'
        Image.fromarray(coarse).resize((300, 300), Image.Resampling.BICUBIC).save(root / file)
        label = CLASSES[number % len(CLASSES)]
        lines.append(f'{file},{label},{label}{number % 48}')
    (root / 'train.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return root


def compare(name: str, data: Path, args: argparse.Namespace, clock: Clock) -> dict[str, Any]:
    """One method, cached and not."""
    from cite.mm.launch import train
    from cite.paths import cache_dir

    kept = cache_dir() / 'prefix'
    measured = min(args.measured, args.iterations)
    train(config(name, data, args, 'off', measured + LEFT_OUT))
    steps = np.diff([clock.loop, *clock.ends])[LEFT_OUT:]
    before = clock.loop - clock.start  # of heads that are made from features
    uncached = before + statistics.median(steps) * args.iterations
    shutil.rmtree(kept, ignore_errors=True)  # nothing of the method before
    whole = name != PROMPTS
    train(config(name, data, args, 'on', args.iterations if whole else measured + LEFT_OUT))
    later = statistics.median(np.diff(clock.ends))
    building = clock.ends[0] - clock.start - later
    measured_whole = clock.ends[-1] - clock.start
    cached = measured_whole if whole else building + later * args.iterations
    return {
        'uncached_step_seconds': steps.tolist(),
        'uncached_seconds_extrapolated': uncached,
        'cached_seconds': cached,
        'cached_extrapolated': not whole,
        'cached_step_seconds_median': later,
        'building_seconds': building,
        'ratio': uncached / cached,
        'kept_mib': sum(path.stat().st_size for path in kept.rglob('*.npy')) / 2**20,
    }


def config(name: str, data: Path, args: argparse.Namespace, cache: str, iterations: int) -> Any:
    from mmengine.config import Config

    from cite.paths import configs_dir

    method = METHODS[name]
    folder = f'{cache}_{name.replace(" ", "_")}'
    loader = {'batch_size': args.batch, 'num_workers': args.workers}
    pipeline = [{'type': 'ResizePatch'}, {'type': 'AugmentPatch'}]
    dataset = {'type': 'PatchDataset', 'ann_file': 'train.csv', 'classes': list(CLASSES)}
    backbone = {
        'type': 'VisionTower',
        'model': args.model,
        'pretrained': False,
        'tuning': method.get('tuning'),
    }
    model = {
        'type': 'CiteClassifier',
        'backbone': backbone,
        'head': method['head'],
        'precision': args.precision,
    }
    if 'neck' in method:
        model['neck'] = method['neck']
    return Config(
        {
            **Config.fromfile(configs_dir() / '_base_' / 'runtime.py').to_dict(),
            'model': model,
            'data_root': str(data),
            'train_dataloader': {
                **loader,
                'sampler': {'type': 'PatchSampler', 'balance': 'class'},
                'dataset': {**dataset, 'pipeline': pipeline, 'views': args.views},
            },
            'val_dataloader': None,
            'test_dataloader': {**loader, 'dataset': dataset},
            'train_cfg': {'max_iters': iterations},
            'optim_wrapper': {'optimizer': {'type': 'AdamW', 'lr': 1e-3}},
            'cache': cache,
            'baselines': [],
            'work_dir': str(data.parent / folder),
        }
    )


if __name__ == '__main__':
    main()
