"""`cite prepare`: a data set → checked manifests and few-shot splits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cite.cli.parsing import add_command, add_debug, count, seed
from cite.errors import DataError

if TYPE_CHECKING:
    from cite.data.manifests import PartCount
    from cite.data.splits import Split

HELP = 'make few-shot splits of a data set, or draw the synthetic one'
EXAMPLE = 'cite prepare patchgastric data/patchgastric --shots 1 2 4 8 16 --seed 0'
SYNTHETIC_EXAMPLE = 'cite prepare synthetic data/synthetic --slides-per-class 20 --workers 2'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    gastric = add_command(
        kinds,
        'patchgastric',
        'captions.csv and patches_captions/ → splits/*.csv, by slide',
        EXAMPLE,
    )
    gastric.add_argument('root', type=Path, help='folder with captions.csv and patches_captions/')
    gastric.add_argument('--out', type=Path, help='where to write (default: ROOT/splits)')
    gastric.add_argument(
        '--shots', type=count, nargs='+', default=[1, 2, 4, 8, 16], help='training slides per class'
    )
    gastric.add_argument('--eval-fraction', type=float, default=0.8, help='slides for evaluation')
    gastric.add_argument('--seed', type=seed, default=0, help='which slides')
    add_debug(gastric)
    synthetic = add_command(
        kinds,
        'synthetic',
        'draw H&E-like tissue of three grades in the layout of PatchGastric',
        SYNTHETIC_EXAMPLE,
    )
    synthetic.add_argument('root', type=Path, help='folder to make')
    synthetic.add_argument('--slides-per-class', type=count, default=40)
    synthetic.add_argument('--patches-per-slide', type=count, default=6)
    synthetic.add_argument('--seed', type=seed, default=0)
    synthetic.add_argument('--workers', type=count, default=1, help='processes that draw')
    add_debug(synthetic)


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
    _refuse_another(split, out)
    rows = write_split(table, split, out)
    print(f'\n{_table(table.classes, rows)}')
    print(f'\nsplit {split.hash[:16]} by slide (PatchGastric names no patients), in {out}')


def _table(classes: Sequence[str], rows: Sequence[PartCount]) -> str:
    """A line per part, with slides and patches of each class."""
    lines = [f'class {i}: {name}' for i, name in enumerate(classes)]
    lines += ['', 'slides / patches' + ''.join(f'{f"class {i}":>16}' for i in range(len(classes)))]
    for part in dict.fromkeys(row.part for row in rows):
        found = {row.name: row for row in rows if row.part == part}
        cells = [f'{found[name].slides} / {found[name].patches}' for name in classes]
        lines.append(f'{part:<16}' + ''.join(f'{cell:>16}' for cell in cells))
    return '\n'.join(lines)


def _refuse_another(split: Split, out: Path) -> None:
    """Runs refer to a split by its hash, so one that is there is never replaced by another.

    Raises:
        DataError: Another split in the folder, or one that is damaged.
    """
    from cite.data.splits import Split

    path = out / 'split.json'
    if not path.exists():
        return
    found = Split.load(path)
    if found.hash != split.hash:
        raise DataError(
            f'{out} holds another split ({found.hash[:16]}, seed {found.seed}, shots '
            f'{", ".join(found.train)}) than asked for ({split.hash[:16]}, seed {split.seed}, shots '
            f'{", ".join(split.train)}); nothing was written. Name another folder with --out, or '
            'remove this one'
        )
