"""`cite prepare synthetic`: draw tissue as patches, as pairs with captions, or as whole slides."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cite.cli.parsing import count, seed
from cite.cli.prepare.common import Kind
from cite.errors import ConfigError

LAYOUTS = ('patchgastric', 'pairs', 'slides')
POPULATIONS = ('any', 'seen', 'unseen')


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('root', type=Path, help='folder to make')
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help='patchgastric: patches, a report per slide; pairs: patches, a caption each; '
        'slides: pyramidal TIFF (default: patchgastric)',
    )
    parser.add_argument(
        '--population',
        choices=POPULATIONS,
        default=POPULATIONS[0],
        help='unseen: only stains and mixes of findings that seen has none of (default: any)',
    )
    parser.add_argument(
        '--slides-per-class', type=count, metavar='N', help='default: 40, of whole slides 4'
    )
    parser.add_argument('--patches-per-slide', type=count, metavar='N', help='default: 6')
    parser.add_argument(
        '--side', type=count, metavar='N', help='of whole slides, in pixels (default: 4096)'
    )
    parser.add_argument('--seed', type=seed, default=0, help='default: 0')
    parser.add_argument(
        '--workers', type=count, default=1, metavar='N', help='processes that draw (default: 1)'
    )


def _run(args: argparse.Namespace) -> None:
    from cite.data import synthetic

    whole = args.layout == 'slides'
    strange = 'patches_per_slide' if whole else 'side'
    if getattr(args, strange) is not None:
        option = strange.replace('_', '-')
        raise ConfigError(f'--{option} does not go with --layout {args.layout}')
    slides = args.slides_per_class or (4 if whole else 40)
    shared = {'seed': args.seed, 'workers': args.workers, 'population': args.population}
    if whole:
        synthetic.write_slides(args.root, slides, args.side or 4096, **shared)
    else:
        pairs = args.layout == 'pairs'
        write = synthetic.write_pairs if pairs else synthetic.write_patchgastric
        write(args.root, slides, args.patches_per_slide or 6, **shared)
    about = json.loads((args.root / 'dataset.json').read_text(encoding='utf-8'))
    found = ', '.join(f'{about[unit]} {unit}' for unit in ('slides', 'patches') if unit in about)
    print(f'synthetic tissue in {args.root}: {found}')


KIND = Kind(
    'synthetic',
    'draw H&E-like tissue of three grades: patches, image–caption pairs or whole slides',
    'cite prepare synthetic data/synthetic --layout pairs --slides-per-class 20 --workers 2',
    _add_arguments,
    _run,
)
