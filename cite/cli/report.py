"""`cite report`: one table and one picture of a tested run; the report of a study."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cite.cli.parsing import add_debug, count
from cite.errors import ConfigError, DataError

HELP = 'print the results of a run and draw its picture, or the report of a study'
EXAMPLE = 'cite report work_dirs/cite'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'run_dir', type=Path, help='folder of a run (cite test) or of a study (cite fewshot)'
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='PNG to write (default: RUN_DIR/report.png, with --by stain RUN_DIR/stain_groups.png)',
    )
    parser.add_argument(
        '--by', choices=['stain'], help='results by groups of slides, as a table, CSV files and PNG'
    )
    parser.add_argument('--groups', type=count, metavar='N', help='how many groups (default: 3)')
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    if args.by is not None:
        _by_stain(args.run_dir, args.groups or 3, args.out)
        return
    if args.groups is not None:
        raise ConfigError('--groups goes with --by stain')
    if (args.run_dir / 'study.json').is_file():
        if args.out is not None:
            raise ConfigError('the report of a study goes into its folder; leave --out away')
        from cite.studies.report import write_report

        print(write_report(args.run_dir).text)
        return
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


def _by_stain(run_dir: Path, groups: int, out: Path | None) -> None:
    from cite.evaluation.predictions import Predictions
    from cite.experiments.stain_groups import stain_groups
    from cite.experiments.stain_picture import draw_groups
    from cite.experiments.stain_table import groups_table, write_groups

    out = out or run_dir / 'stain_groups.png'
    predictions = Predictions.from_parquet(run_dir / 'predictions.parquet')
    found = stain_groups(predictions, groups, progress=True)
    print(groups_table(found))
    write_groups(found, out.parent)
    draw_groups(found, predictions, out, run_dir.resolve().name)
    print(f'\ntables: {out.parent}/stain_groups.csv, {out.parent}/stain_slides.csv\npicture: {out}')
