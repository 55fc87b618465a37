"""`cite slide`: what an adapter says of whole slides, and where."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.cli.inference import add_inference_arguments, workers
from cite.cli.parsing import add_debug, count

HELP = 'ask an adapter about whole slides: heat maps, tiles for QuPath, a report'
EXAMPLE = 'cite slide slides/*.svs --adapter work_dirs/cite/adapter.safetensors --out results'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'slides', type=Path, nargs='+', metavar='SLIDE', help='slides, and folders of slides'
    )
    parser.add_argument('--adapter', type=Path, required=True, help='adapter.safetensors')
    parser.add_argument('--model', help='base model under another name or path')
    parser.add_argument('--weights', type=Path, help="file with the base model's weights")
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/slides'),
        help='folder of results (default: work_dirs/slides)',
    )
    _add_tiles(parser.add_argument_group('tiles'))
    result = parser.add_argument_group('result')
    result.add_argument(
        '--aggregation',
        default='mean',
        choices=('mean', 'median', 'topk', 'max', 'logmean'),
        help='from tiles to the slide (default: mean)',
    )
    result.add_argument('--top-k', type=count, default=10, help='of topk (default: 10)')
    result.add_argument(
        '--class',
        dest='classes',
        action='extend',
        nargs='+',
        default=[],
        metavar='NAME',
        help='classes to draw (default: all)',
    )
    result.add_argument('--pdf', action='store_true', help='the report as PDF, too')
    add_inference_arguments(parser)
    parser.add_argument(
        '--shard',
        metavar='I/N',
        help='do the I-th of N parts, 1/N to N/N (default: as torchrun or Slurm number the processes)',
    )
    add_debug(parser)


def _add_tiles(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--mpp', type=float, help='micrometres per pixel (default: as in training)')
    group.add_argument(
        '--slide-mpp', type=float, help='of slides whose file does not say it, or says it wrongly'
    )
    group.add_argument(
        '--tile-size', type=count, metavar='N', help='pixels along a side (default: as in training)'
    )
    group.add_argument(
        '--overlap', type=workers, default=0, metavar='N', help='pixels that neighbours share'
    )
    group.add_argument(
        '--tissue', type=float, default=0.5, help='least part of tissue in a tile (default: 0.5)'
    )
    group.add_argument('--blur', type=float, help='least sharpness (default: 0.02; 0 takes all)')


def run(args: argparse.Namespace) -> int:
    from cite.inference import shard_from_environment
    from cite.inference.shards import read_shard
    from cite.slides.files import find_slides

    shard = shard_from_environment() if args.shard is None else read_shard(args.shard)
    find_slides(args.slides)  # a wrong path is told before the model is loaded

    from tqdm import tqdm

    from cite.serving import load
    from cite.slides.inference import BLUR
    from cite.slides.many import Machine, Options, predict_slides
    from cite.slides.overall import TABLE, show

    options = Options(
        mpp=args.mpp,
        slide_mpp=args.slide_mpp,
        tile_size=args.tile_size,
        overlap=args.overlap,
        tissue=args.tissue,
        blur=BLUR if args.blur is None else args.blur,
        aggregation=args.aggregation,
        top_k=args.top_k,
        classes=tuple(args.classes),
        pdf=args.pdf,
    )
    machine = Machine(args.batch_size, args.workers, True, args.debug, tqdm.write)
    trained = load(args.adapter, args.model, args.weights, args.device)
    rows = predict_slides(args.slides, args.adapter, trained, args.out, options, shard, machine)
    if not rows:
        print(f'shard {shard}: there are fewer slides than shards, nothing to do')
        return 0
    print(f'\n{show(rows)}')
    failed = sum(row.status == 'failed' for row in rows)
    print(f'{len(rows) - failed} of {len(rows)} slides in {args.out}', end='')
    print(f' (shard {shard}; the last one writes {TABLE})' if shard.count > 1 else f', see {TABLE}')
    if failed == len(rows):
        return 2
    return 1 if failed else 0
