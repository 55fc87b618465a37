"""What each defect of the published protocol does to the result, one at a time and all together.

    python tools/bench/protocols.py --vision clip-vit-b16 --text biolinkbert-base

Draws synthetic tissue whose slides have 2 to 12 patches, trains CITE on k slides per class under the
protocol 'fixed', and again with one choice of 'original' in its place. All runs of a seed share their
evaluation slides, so differences are paired. Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict

from cite.data import few_shot_split, generator, read_patchgastric, write_manifest, write_split
from cite.data.synthetic import write_patchgastric
from cite.encoders.zoo import get_card
from cite.mm.launch import load_config, test, train

IMAGENET = {'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225)}
CLIP = {'mean': (0.48145466, 0.4578275, 0.40821073), 'std': (0.26862954, 0.26130258, 0.27577711)}
MOST = 12
SQUASH = {'type': 'ResizePatch', 'how': 'squash', 'interpolation': 'bilinear'}
GREY = [SQUASH, {'type': 'OriginalAugment'}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--vision', default='random-vit-tiny', help='any vision backbone')
    parser.add_argument('--text', default='random-bert-tiny', help='any text encoder')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_protocols'))
    parser.add_argument('--k', type=int, default=4, help='training slides per class')
    parser.add_argument('--iterations', type=int, default=100)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--slides-per-class', type=int, default=40)
    args = parser.parse_args()
    data = args.out / 'data'
    draw(data, args.slides_per_class)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in args.seeds:
        write_splits(data, args.k, seed)
        for name, change in CHANGES.items():
            found.setdefault(name, []).append(run(name, change, data, seed, args))
    print(table(found))


def draw(root: Path, slides_per_class: int) -> None:
    """Synthetic tissue, with slides of many sizes: real ones differ, and the published split cares."""
    write_patchgastric(root, slides_per_class, MOST, seed=0, workers=2)
    slides: dict[str, list[Path]] = {}
    for path in sorted((root / 'patches_captions').iterdir()):
        slides.setdefault(path.name.split('_')[0], []).append(path)
    for slide, paths in slides.items():
        if len(paths) == MOST:
            for path in paths[int(generator(0, slide).integers(2, MOST + 1)) :]:
                path.unlink()


def write_splits(root: Path, k: int, seed: int) -> None:
    """The split of a seed, and beside it the k slides with the most patches of its training slides."""
    table, _ = read_patchgastric(root)
    folder = root / f'splits_{seed}'
    split = few_shot_split(table, [k, 'all'], seed=seed)
    write_split(table, split, folder)
    training = split.select(table, 'train_all')
    patches = Counter(training.slides.tolist())
    chosen = [
        slide
        for name in training.classes
        for slide in sorted(training.slides_of(name), key=lambda slide: -patches[slide])[:k]
    ]
    most = training.subset(np.isin(training.slides, chosen))
    write_manifest(most.sorted(), folder / f'train_most_{k}.csv', split='train')


def augmented_at_test(cfg: Config, args: argparse.Namespace) -> None:
    steps = [{'type': 'ResizePatch'}, {'type': 'AugmentPatch'}]
    cfg.test_dataloader.dataset.pipeline = steps


def nearly_grey(cfg: Config, args: argparse.Namespace) -> None:
    cfg.train_dataloader.dataset.pipeline = GREY


def other_normalisation(cfg: Config, args: argparse.Namespace) -> None:
    """ImageNet's, or CLIP's where the tower's own is ImageNet's; and both sides squashed."""
    own = tuple(round(value, 3) for value in get_card(args.vision).mean)
    cfg.model.backbone.update(CLIP if own == IMAGENET['mean'] else IMAGENET)
    cfg.train_dataloader.dataset.pipeline[0] = cfg.test_dataloader.dataset.pipeline[0] = SQUASH


def most_patches(cfg: Config, args: argparse.Namespace) -> None:
    dataset = cfg.train_dataloader.dataset
    dataset.ann_file = str(Path(dataset.ann_file).parent / f'train_most_{args.k}.csv')


def twelve_workers(cfg: Config, args: argparse.Namespace) -> None:
    cfg.train_dataloader.sampler = {'type': 'OriginalSampler', 'balance': 'patch', 'workers': 12}


def prompt_added_again(cfg: Config, args: argparse.Namespace) -> None:
    cfg.model.backbone.tuning.type = 'OriginalVisualPrompt'


def everything(cfg: Config, args: argparse.Namespace) -> None:
    other_normalisation(cfg, args)
    nearly_grey(cfg, args)
    cfg.test_dataloader.dataset.pipeline = GREY
    for change in (most_patches, twelve_workers, prompt_added_again):
        change(cfg, args)


Change = Callable[[Config, argparse.Namespace], None]
CHANGES: dict[str, Change] = {
    'fixed': lambda cfg, args: None,
    'test patches augmented': augmented_at_test,
    'training patches nearly grey': nearly_grey,
    "another normalisation than the tower's": other_normalisation,
    'k slides with the most patches': most_patches,
    'every batch 12 times': twelve_workers,
    'token prompt added again at test': prompt_added_again,
    'all of these (original)': everything,
}


def run(
    name: str, change: Change, data: Path, seed: int, args: argparse.Namespace
) -> dict[str, float]:
    """Trains and tests one setting; balanced accuracy of patches and slides."""

    def config() -> Config:
        folder = args.out / f'{list(CHANGES).index(name)}_seed{seed}'
        cfg = load_config('patchgastric/cite', str(folder), seed=seed)
        cfg.model.backbone.model = args.vision
        cfg.model.head.text_encoder.model = args.text
        cfg.data_root = str(data)
        cfg.baselines = []
        cfg.train_cfg = ConfigDict(max_iters=args.iterations)
        cfg.param_scheduler = [ConfigDict(type='CosineAnnealingLR', by_epoch=False)]
        cfg.optim_wrapper = ConfigDict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01))
        for loader, part in (
            (cfg.train_dataloader, f'train_{args.k}'),
            (cfg.test_dataloader, 'val'),
        ):
            loader.update(batch_size=32, num_workers=2)
            loader.dataset.ann_file = f'splits_{seed}/{part}.csv'
        change(cfg, args)
        return cfg

    train(config())
    cfg = config()
    test(cfg, f'{cfg.work_dir}/iter_{args.iterations}.pth')
    results: dict[str, Any] = json.loads((Path(cfg.work_dir) / 'results.json').read_text('utf-8'))
    return {level: results[level]['balanced_accuracy'] for level in ('patch', 'slide')}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Mean over seeds, and the differences to 'fixed' seed by seed."""
    lines = [
        '| choice | patch | to fixed, by seed | slide | to fixed, by seed |',
        '|:--|--:|--:|--:|--:|',
    ]
    for name, rows in found.items():
        cells = [name]
        for level in ('patch', 'slide'):
            values = [row[level] for row in rows]
            steps = [a - b[level] for a, b in zip(values, found['fixed'], strict=True)]
            cells.append(f'{statistics.mean(values):.3f}')
            cells.append('' if name == 'fixed' else ', '.join(f'{step:+.3f}' for step in steps))
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
