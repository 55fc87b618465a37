"""`cite prepare`: a data set → checked manifests and few-shot splits. One module per kind of data."""

from __future__ import annotations

import argparse

from cite.cli.parsing import add_command, add_debug
from cite.cli.prepare import own, patchgastric, slides, synthetic

HELP = 'make few-shot splits of a data set, or draw the synthetic one'
EXAMPLE = 'cite prepare patchgastric data/patchgastric --shots 1 2 4 8 16 --seed 0'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    for kind in (patchgastric.KIND, own.FOLDER, own.CSV, slides.KIND, synthetic.KIND):
        sub = add_command(kinds, kind.name, kind.help, kind.example)
        kind.add_arguments(sub)
        add_debug(sub)
        sub.set_defaults(prepare=kind.run)


def run(args: argparse.Namespace) -> None:
    args.prepare(args)
