"""`cite prepare synthetic`: draw tissue in PatchGastric's layout."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.cli.parsing import count, seed
from cite.cli.prepare.common import Kind


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('root', type=Path, help='folder to make')
    parser.add_argument('--slides-per-class', type=count, default=40)
    parser.add_argument('--patches-per-slide', type=count, default=6)
    parser.add_argument('--seed', type=seed, default=0)
    parser.add_argument('--workers', type=count, default=1, help='processes that draw')


def _run(args: argparse.Namespace) -> None:
    from cite.data.synthetic import write_patchgastric

    write_patchgastric(
        args.root,
        slides_per_class=args.slides_per_class,
        patches_per_slide=args.patches_per_slide,
        seed=args.seed,
        workers=args.workers,
    )
    print(f'synthetic tissue in {args.root}')


KIND = Kind(
    'synthetic',
    'draw H&E-like tissue of three grades in the layout of PatchGastric',
    'cite prepare synthetic data/synthetic --slides-per-class 20 --workers 2',
    _add_arguments,
    _run,
)
