"""`cite train`: the same run as `mim train mmpretrain CONFIG`, without mim's start-up."""

from __future__ import annotations

import argparse

from cite.cli.runs import add_run_arguments, config_of, require_checkpoint

HELP = 'train a config'
EXAMPLE = 'cite train quickstart/cite --cfg-options train_cfg.max_iters=50'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const=True,
        default=False,
        metavar='CHECKPOINT',
        help='go on from the last checkpoint of the run folder, or from this one',
    )


def run(args: argparse.Namespace) -> None:
    if isinstance(args.resume, str):
        require_checkpoint(args.resume)
    cfg = config_of(args)

    from cite.mm.launch import train

    train(cfg, args.resume)
