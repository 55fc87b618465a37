"""`cite report`: one table and one picture of a tested run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cite.cli.parsing import add_debug
from cite.errors import DataError

HELP = 'print the results of a run and draw its picture'
EXAMPLE = 'cite report work_dirs/cite'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'run_dir', type=Path, help='folder with results.json, as cite test writes it'
    )
    parser.add_argument('--out', type=Path, help='PNG to write (default: RUN_DIR/report.png)')
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.evaluation.table import results_table
    from cite.experiments.report import draw_report

    path = args.run_dir / 'results.json'
    if not path.is_file():
        raise DataError(f'{path}: no such file; `cite test` writes it')
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise DataError(f'{path}: not valid JSON ({error}); test the run again') from error
    if not isinstance(results, dict):
        raise DataError(f'{path}: expected an object, found {type(results).__name__}')
    print(results_table(results))
    print(f'\npicture: {draw_report(args.run_dir, args.out)}')
