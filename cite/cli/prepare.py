"""`cite prepare`: a data set → checked manifests and few-shot splits."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'make few-shot splits of a data set, or draw the synthetic one'
EXAMPLE = 'cite prepare patchgastric data/patchgastric --shots 1 2 4 8 16 --seed 0'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    gastric = kinds.add_parser(
        'patchgastric', help='captions.csv and patches_captions/ → splits/*.csv, by slide'
    )
    gastric.add_argument('root', type=Path, help='folder with captions.csv and patches_captions/')
    gastric.add_argument('--out', type=Path, help='where to write (default: ROOT/splits)')
    gastric.add_argument(
        '--shots', type=int, nargs='+', default=[1, 2, 4, 8, 16], help='training slides per class'
    )
    gastric.add_argument('--eval-fraction', type=float, default=0.8, help='slides for evaluation')
    gastric.add_argument('--seed', type=int, default=0, help='which slides')
    synthetic = kinds.add_parser(
        'synthetic', help='draw H&E-like tissue of three grades in the layout of PatchGastric'
    )
    synthetic.add_argument('root', type=Path, help='folder to make')
    synthetic.add_argument('--slides-per-class', type=int, default=40)
    synthetic.add_argument('--patches-per-slide', type=int, default=6)
    synthetic.add_argument('--seed', type=int, default=0)
    synthetic.add_argument('--workers', type=int, default=1)


def run(args: argparse.Namespace) -> None:
    if args.kind == 'synthetic':
        _synthetic(args)
    else:
        _patchgastric(args)


def _synthetic(args: argparse.Namespace) -> None:
    from cite.data.synthetic import write_patchgastric

    write_patchgastric(
        args.root,
        slides_per_class=args.slides_per_class,
        patches_per_slide=args.patches_per_slide,
        seed=args.seed,
        workers=args.workers,
    )
    print(f'synthetic tissue in {args.root}')


def _patchgastric(args: argparse.Namespace) -> None:
    from cite.data.manifests import write_split
    from cite.data.patchgastric import read_patchgastric
    from cite.data.splits import few_shot_split

    table, report = read_patchgastric(args.root)
    print(report)
    split = few_shot_split(table, [*args.shots, 'all'], args.eval_fraction, args.seed)
    out = args.out or args.root / 'splits'
    counts = write_split(table, split, out)
    print('\npart        class                                              slides  patches')
    for count in counts:
        print(f'{count.part:<12}{count.name:<50}{count.slides:>7}{count.patches:>9}')
    print(f'\nsplit {split.hash[:16]} by slide (PatchGastric names no patients), in {out}')
