"""`cite test`: patch and slide results of a checkpoint, or of a zero-shot config."""

from __future__ import annotations

import argparse

from cite.cli.runs import add_run_arguments, config_of, require_checkpoint

HELP = 'evaluate a checkpoint (or a zero-shot config without one)'
EXAMPLE = 'cite test quickstart/cite work_dirs/cite/iter_120.pth'

NO_CHECKPOINT = (None, 'none')
"""`mim test` insists on a checkpoint, so 'none' stands for none there; it does so here too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument('checkpoint', nargs='?', help='iter_*.pth of the run')


def run(args: argparse.Namespace) -> None:
    if args.checkpoint not in NO_CHECKPOINT:
        require_checkpoint(args.checkpoint)
    cfg = config_of(args)

    from cite.mm.launch import test

    test(cfg, args.checkpoint)
