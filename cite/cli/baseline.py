"""`cite baseline`: what colour alone, or no look at all, gets on a config's data."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.baselines import TITLES
from cite.cli.runs import add_config_arguments, config_of

HELP = 'what colour alone, or no look at all, gets on the data of a config'
EXAMPLE = 'cite baseline colour quickstart/cite'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = '; '.join(f'{kind}: {title}' for kind, title in TITLES.items())
    parser.add_argument('kind', choices=list(TITLES), metavar='KIND', help=kinds)
    add_config_arguments(parser, 'work_dirs/<config>_<kind>')
    parser.set_defaults(amp=False, seed=None)  # nothing here is drawn, and no model computes


def run(args: argparse.Namespace) -> None:
    if args.work_dir is None:  # not the config's own, which holds a run
        args.work_dir = str(Path('work_dirs') / f'{Path(args.config).stem}_{args.kind}')
    cfg = config_of(args)

    from cite.evaluation.table import results_table
    from cite.mm.baselines import run_config

    print(results_table(run_config(cfg, args.kind)))
    print(f'\nresults: {cfg.work_dir}')
