"""`cite fewshot`: a few-shot study from its description to its report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.parsing import add_debug, count, key_value

if TYPE_CHECKING:
    from cite.studies.description import Study

HELP = 'run a study: methods × shots × seeds, and what came of it with its uncertainty'
EXAMPLE = 'cite fewshot studies/quickstart --plan'
EXECUTORS = ('local', 'ray', 'slurm')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'study',
        nargs='?',
        help='study file (.py, .yaml, .json), a name such as studies/lc25000_lung, or the folder of one '
        'that was begun',
    )
    parser.add_argument('--out', type=Path, help='folder (default: work_dirs/studies/<name>)')
    what = parser.add_argument_group('what to compare (in place of what the file says)')
    what.add_argument('--base', help='config that a grid varies')
    for factor, help in (
        ('backbone', 'vision models'),
        ('tuning', 'tunings, such as VisualPrompt LoRA none'),
        ('text-encoder', 'text models'),
        ('head', 'heads, such as linear cite knn (configs/_base_/models), or classes'),
    ):
        what.add_argument(f'--{factor}', nargs='+', metavar='NAME', help=f'grid: {help}')
    what.add_argument('--shots', nargs='+', metavar='K', help="slides per class, or 'all'")
    what.add_argument('--split-seeds', type=count, metavar='N', help='draws of training slides')
    what.add_argument('--seeds', type=count, metavar='N', help='trainings on each draw')
    what.add_argument('--budget', type=count, metavar='N', help='settings that each may try')
    what.add_argument('--folds', type=count, metavar='N', help='folds to choose by, at the most')
    what.add_argument(
        '--options',
        nargs='+',
        action='extend',
        type=key_value,
        metavar='KEY=VALUE',
        help='change the configs of all methods, e.g. data_root=…',
    )
    how = parser.add_argument_group('how to run it')
    how.add_argument('--executor', choices=EXECUTORS, default='local', help='default: local')
    how.add_argument(
        '--executor-options',
        nargs='+',
        action='extend',
        type=key_value,
        metavar='KEY=VALUE',
        default=[],
        help='such as runs_per_gpu=2 (local), gpus_per_run=0.5 (ray), partition=gpu time=240 (slurm)',
    )
    how.add_argument('--workers', type=count, metavar='N', help='processes of the local executor')
    how.add_argument('--address', help='of the Ray cluster (default: the one this machine is in)')
    how.add_argument(
        '--no-probe', action='store_true', help='plan without measuring how long runs take'
    )
    how.add_argument(
        '--no-image-check',
        action='store_true',
        help='do not look for pictures that are in the pool and in the evaluation set',
    )
    instead = parser.add_argument_group('instead of running it').add_mutually_exclusive_group()
    instead.add_argument('--plan', action='store_true', help='say what it will take')
    instead.add_argument('--status', action='store_true', help='what is done, live in a terminal')
    instead.add_argument('--report', action='store_true', help='draw the report of what is done')
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    if args.status or args.report:
        folder = _folder(args)
        if args.status:
            from cite.studies.status_table import watch

            watch(folder)
            return 0
        return _report(folder)

    from cite.studies.executors import get_executor
    from cite.studies.run import begin, run_study, start_study

    study, folder = study_of_arguments(args), _folder(args)
    place = get_executor(
        args.executor, **executor_options(args)
    )  # mistakes are told before the work
    started = start_study(study, folder, images=not args.no_image_check, probe=not args.no_probe)
    print(started.text)
    if args.plan:
        return 0
    if not started.plan.pending:
        begin(started)
        return _report(folder)
    failed = run_study(started, place)
    if not getattr(place, 'wait', True):
        print(f'submitted; `cite fewshot {folder} --status` follows it, --report draws the report')
        return 0
    return _report(folder) or int(failed > 0)


def _report(folder: Path) -> int:
    from cite.studies.report import write_report

    files = write_report(folder)
    print(files.text)
    return 0


def _folder(args: argparse.Namespace) -> Path:
    from cite.errors import ConfigError

    if args.out is not None:
        return Path(args.out)
    if args.study is None:
        if args.base is None:
            raise ConfigError('name a study, or a grid: --base CONFIG --backbone … --head …')
        return Path('work_dirs/studies') / Path(args.base).stem
    if _is_study(args.study):
        return Path(args.study)
    return Path('work_dirs/studies') / Path(args.study).stem


def _is_study(path: str) -> bool:
    from cite.studies.description import STUDY

    return (Path(path) / STUDY).is_file()


def study_of_arguments(args: argparse.Namespace) -> Study:
    """The study that file and flags describe; that of a folder where nothing else is said."""
    from cite.cli.runs import read_options
    from cite.errors import ConfigError
    from cite.studies.description import Study
    from cite.studies.read import read_study, study_of

    changes = changes_of(args)
    if args.options:
        changes['options'] = read_options(args.options)
    if args.study is None:
        return study_of(changes, _folder(args).name)
    if _is_study(args.study):
        if changes:
            raise ConfigError(
                f'{args.study} is a study that was begun, and goes on as it is; change the file that '
                'describes it, and name the folder with --out'
            )
        return Study.load(Path(args.study))
    return read_study(args.study, changes)


def changes_of(args: argparse.Namespace) -> dict[str, Any]:
    """Keys of a study file that flags replace."""
    changes: dict[str, Any] = {}
    for name in ('base', 'shots', 'split_seeds', 'seeds'):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    factors = ('backbone', 'tuning', 'text_encoder', 'head')
    grid = {name: getattr(args, name) for name in factors if getattr(args, name)}
    if grid:
        changes |= {'grid': grid, 'methods': {}}
    choosing = {name: getattr(args, name) for name in ('budget', 'folds') if getattr(args, name)}
    if choosing:
        changes['choosing'] = choosing
    return changes


def executor_options(args: argparse.Namespace) -> dict[str, Any]:
    """Options of the executor, `--workers` and `--address` among them."""
    from cite.cli.runs import read_options

    options = read_options(args.executor_options)
    for name in ('workers', 'address'):
        if getattr(args, name) is not None:
            options[name] = getattr(args, name)
    return options
