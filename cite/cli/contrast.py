"""`cite contrast`: a vision–language pair goes on learning from image–caption pairs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cite.cli.parsing import add_debug, count, key_value, seed

if TYPE_CHECKING:
    from mmengine.config import Config

HELP = 'adapt a vision–language pair to images with captions'
EXAMPLE = 'cite contrast --pairs train.csv --val-pairs val.csv --model plip --tuning LoRA'
WORK_DIR = 'work_dirs/contrast'
FLAGS = (
    *(
        'val_pairs',
        'root',
        'model',
        'tuning',
        'text_tuning',
        'loss',
        'iterations',
        'batch',
        'chunk',
    ),
    *('lr', 'mask_grades', 'caption_column'),
)
"""What goes with --pairs, and says nothing to a config."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', nargs='?', help='of pairs, such as contrast/patchgastric_lora')
    data = parser.add_argument_group('without a config')
    columns = 'training pairs, columns file,caption[,slide][,split]'
    data.add_argument('--pairs', type=Path, metavar='CSV', help=columns)
    data.add_argument(
        '--val-pairs',
        type=Path,
        metavar='CSV',
        help="validation pairs (default: rows of --pairs with split 'val'; 'train' then trains)",
    )
    data.add_argument(
        '--caption-column', metavar='NAME', help='column of the captions (default: caption)'
    )
    data.add_argument('--root', type=Path, help="folder of the images (default: each manifest's)")
    data.add_argument('--model', help='published pair (default: plip); see cite models --kind pair')
    data.add_argument('--tuning', metavar='NAME', help='of the vision tower (default: LoRA)')
    data.add_argument(
        '--text-tuning', metavar='NAME', help='of the text tower (default: LoRA); NoTuning locks it'
    )
    data.add_argument('--loss', choices=('clip', 'siglip'), help='default: clip')
    data.add_argument('--iterations', type=count, metavar='N', help='default: 500')
    data.add_argument('--batch', type=count, metavar='N', help='pairs per batch (default: 256)')
    data.add_argument('--chunk', type=count, metavar='N', help='pairs at a time (default: 32)')
    data.add_argument('--lr', type=rate, help='highest learning rate (default: 1e-4)')
    data.add_argument(
        '--mask-grades', action='store_true', help='take out of captions what names the grade'
    )
    parser.add_argument(
        '--work-dir', help=f'run folder (default: {WORK_DIR} or that of the config)'
    )
    parser.add_argument(
        '--options',
        '--cfg-options',
        dest='cfg_options',
        nargs='+',
        action='extend',
        type=key_value,
        metavar='KEY=VALUE',
        help='change the config, e.g. model.vision.tuning.r=16',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a CPU too')
    parser.add_argument('--seed', type=seed, help='seed of the run')
    parser.add_argument(
        '--resume',
        nargs='?',
        const=True,
        default=False,
        metavar='CHECKPOINT',
        help='go on from the last checkpoint of the run folder, or from this one',
    )
    add_debug(parser)


def rate(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'expected a number above 0, found {text!r}')
    return value


def run(args: argparse.Namespace) -> None:
    if isinstance(args.resume, str):
        from cite.cli.runs import require_checkpoint

        require_checkpoint(args.resume)
    cfg = pair_config(args)

    from mmengine.dist import is_main_process

    from cite.mm.contrast.adapt import adapt, before_after

    found = adapt(cfg, args.resume)
    if not is_main_process():
        return
    print()
    if found.before is not None and found.after is not None:
        print(before_after(found.before, found.after))
    for note in found.notes:
        print(f'note: {note}')
    print(f'pair: {found.pair} ({found.seconds:.0f} s)')
    print(f'next: cite zeroshot PATCHES --classes classes.txt --model {found.pair}')
    print(f"      cite retrieve PATCHES --query 'TEXT' --model {found.pair}")


def pair_config(args: argparse.Namespace) -> Config:
    """The config that is named, or what the flags make of `contrast/manifest`.

    Raises:
        ConfigError: Neither a config nor --pairs, or flags that do not go with a config.
        DataError, ModelError: A manifest or a pair that there is not.
    """
    from cite.cli.runs import config_of, read_options
    from cite.errors import ConfigError

    given = {
        name: getattr(args, name) for name in FLAGS if getattr(args, name) not in (None, False)
    }
    if args.config is not None:
        extra = [f'--{name.replace("_", "-")}' for name in given]
        if args.pairs is not None or extra:
            raise ConfigError(
                f'{args.config} says what is trained on what: {"--pairs" if args.pairs else extra[0]} '
                'does not go with it; change a config by --options KEY=VALUE'
            )
        return config_of(args)
    if args.pairs is None:
        raise ConfigError('give a config, or training pairs by --pairs train.csv')

    from cite.mm.contrast.flags import BASE, manifest_options
    from cite.mm.launch import load_config

    val = given.pop('val_pairs', None)
    options = manifest_options(args.pairs, val, **given) | read_options(args.cfg_options)
    return load_config(BASE, args.work_dir or WORK_DIR, options, args.amp, args.seed)
