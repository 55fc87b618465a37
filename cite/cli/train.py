"""`cite train`: the same run as `mim train mmpretrain CONFIG`, without mim's start-up."""

from __future__ import annotations

import argparse

from cite.cli.runs import add_run_arguments, config_of

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
    from cite.mm.launch import train

    train(config_of(args), args.resume)
