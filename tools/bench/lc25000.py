"""CITE, text anchors without prompt, a linear probe and a colour histogram on LC25000 lung.

    python tools/bench/lc25000.py --data data/lc25000_lung --vision clip-vit-b16 \
        --text biolinkbert-base

Trains each method on the train split, tests on val, by patch and by stain cluster (which stands for a
slide), and prints one Markdown table. The colour histogram shows what colour alone gives away: a method
is worth something where it beats that.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from cite.baselines import TITLES
from cite.baselines.run import run_baseline
from cite.data import read_csv
from cite.evaluation.metrics import evaluate

CLASSES = ('lung_aca', 'lung_n', 'lung_scc')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with manifest.csv')
    parser.add_argument('--vision', required=True, help='vision backbone, any name cite takes')
    parser.add_argument('--text', required=True, help='text encoder, any name cite takes')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_lc25000'))
    parser.add_argument('--iterations', type=int, default=300)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    rows = [(TITLES['colour'], *colour_baseline(args.data))]
    for method in ('linear', 'text_only', 'cite'):
        rows.append((method, *train_and_test(method, args)))
    print(table(rows))


def colour_baseline(root: Path) -> tuple[dict[str, Any], float]:
    """Results of a colour histogram on the splits that the configs name."""
    start = time.perf_counter()
    train, val = (
        read_csv(
            root / 'manifest.csv', root, CLASSES, split=part, columns={'slide': 'stain_cluster'}
        )
        for part in ('train', 'val')
    )
    return evaluate(run_baseline('colour', train, val)), time.perf_counter() - start


def train_and_test(method: str, args: argparse.Namespace) -> tuple[dict[str, Any], float]:
    """Results of a config of configs/lc25000 with the named encoders."""
    from cite.mm.launch import load_config, test, train

    folder = args.out / method
    options: dict[str, Any] = {
        'model.backbone.model': args.vision,
        'train_cfg.max_iters': args.iterations,
        'train_dataloader.dataset.data_root': str(args.data),
        'test_dataloader.dataset.data_root': str(args.data),
    }
    if method != 'linear':
        options['model.head.text_encoder.model'] = args.text
    start = time.perf_counter()
    config = load_config(f'lc25000/{method}', str(folder), options, seed=args.seed)
    train(config)
    config = load_config(f'lc25000/{method}', str(folder), options, seed=args.seed)
    test(config, str(folder / f'iter_{args.iterations}.pth'))
    results: dict[str, Any] = json.loads((folder / 'results.json').read_text(encoding='utf-8'))
    return results, time.perf_counter() - start


def table(rows: list[tuple[str, dict[str, Any], float]]) -> str:
    lines = [
        '| method | patch balanced accuracy | patch AUROC | cluster balanced accuracy '
        '| aca, scc recall | trained weights | seconds |',
        '|:--|--:|--:|--:|--:|--:|--:|',
    ]
    for name, found, seconds in rows:
        patch, slide = found['patch'], found['slide']
        recall = patch['per_class_accuracy']
        weights = found.get('about', {}).get('trained_parameters')
        lines.append(
            f'| {name} | {patch["balanced_accuracy"]:.3f} | {patch["auroc"]:.3f} '
            f'| {slide["balanced_accuracy"]:.3f} '
            f'| {recall["lung_aca"]:.3f}, {recall["lung_scc"]:.3f} '
            f'| {f"{weights:,}" if weights else "-"} | {seconds:.0f} |'
        )
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
