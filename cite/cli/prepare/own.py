"""`cite prepare folder` and `cite prepare csv`: any other data → splits and a config fragment."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from cite.cli.parsing import count
from cite.cli.prepare.common import Kind, add_split_arguments
from cite.errors import ConfigError, DataError


def _add_common(parser: argparse.ArgumentParser, default_out: str) -> None:
    parser.add_argument('--out', type=Path, help=f'where to write (default: {default_out})')
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='label order (default: sorted by name)'
    )
    parser.add_argument(
        '--slide-pattern',
        metavar='REGEX',
        help='slide in the path, as a group (?P<slide>...); default for folders: what stands before '
        'the first underscore of the file name',
    )
    parser.add_argument(
        '--patient-pattern', metavar='REGEX', help='patient in the path, as (?P<patient>...)'
    )
    parser.add_argument(
        '--patch-is-slide',
        action='store_true',
        help='every patch is a slide of its own (for patches that have none)',
    )
    parser.add_argument(
        '--shots',
        type=count,
        nargs='+',
        help='training slides per class (default: 1 2 4 8 16, as far as there are slides)',
    )
    parser.add_argument('--mpp', type=_positive, help='microns per pixel')
    parser.add_argument('--patch-size', type=count, help='pixels along a side; compared with files')
    parser.add_argument(
        '--duplicates',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='look for the same picture, however turned or mirrored (decodes every image)',
    )
    parser.add_argument(
        '--allow-duplicates',
        action='store_true',
        help='only warn of the same picture in training and evaluation',
    )
    parser.add_argument(
        '--check-images', action='store_true', help='decode every image even with --no-duplicates'
    )
    add_split_arguments(parser)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'expected a number above 0, found {text!r}')
    return value


def _add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('root', type=Path, help='folder with one folder of images per class')
    _add_common(parser, 'ROOT_splits')


def _add_csv_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('manifest', type=Path, help='CSV file, one row per patch')
    parser.add_argument(
        '--root', type=Path, help='folder that its files are under (default: that of the manifest)'
    )
    for name in ('file', 'label', 'slide', 'patient'):
        parser.add_argument(f'--{name}-column', metavar='NAME', help=f'(default: {name})')
    parser.add_argument(
        '--split-column',
        metavar='NAME',
        help='column with train and val or test, which is kept to (default: split, if it is there)',
    )
    parser.add_argument('--redraw', action='store_true', help='draw a split even if one is given')
    _add_common(parser, 'splits beside the manifest')


def _run_folder(args: argparse.Namespace) -> None:
    from cite.cli.prepare.own_steps import prepare
    from cite.data.readers import read_folder
    from cite.data.slide_names import SLIDE_PATTERN

    _refuse_both(args, 'patch_is_slide', 'slide_pattern')
    root = args.root.resolve()
    # inside the root it would be taken for a class
    shown = args.root if args.root.name not in ('', '..') else root
    out = args.out or shown.with_name(f'{root.name}_splits')
    if out.resolve().is_relative_to(root):
        raise ConfigError(f'--out {out} lies in {args.root}, where every folder is a class')
    pattern = None if args.patch_is_slide else args.slide_pattern or SLIDE_PATTERN
    prepare(args, read_folder(args.root, args.classes, pattern, args.patient_pattern), out)


def _run_csv(args: argparse.Namespace) -> None:
    from cite.cli.prepare.own_steps import prepare
    from cite.data.csv_manifest import read_column, read_csv
    from cite.data.prepare.given_split import sides_of
    from cite.data.text_files import read_rows

    for others in (('slide_column', 'slide_pattern', 'patch_is_slide'), ('redraw', 'split_column')):
        _refuse_both(args, *others)
    _refuse_both(args, 'patient_column', 'patient_pattern')
    columns: dict[str, str | None] = {'split': None}
    for name in ('file', 'label', 'slide', 'patient'):
        if getattr(args, f'{name}_column'):
            columns[name] = getattr(args, f'{name}_column')
    if args.patch_is_slide:
        columns['slide'] = columns.get('file', 'file')
    for name in ('slide', 'patient'):
        if getattr(args, f'{name}_pattern'):
            columns[name] = None
    header = read_rows(args.manifest)[0]
    given = None if args.redraw else args.split_column or ('split' if 'split' in header else None)
    columns['split'] = given
    _refuse_missing(args.manifest, header, columns)
    table = read_csv(
        args.manifest,
        args.root,
        args.classes,
        columns=columns,
        slide_pattern=args.slide_pattern,
        patient_pattern=args.patient_pattern,
    )
    out = args.out or args.manifest.parent / 'splits'
    if given is None:
        prepare(args, table, out)
        return
    training, held_out = sides_of(read_column(args.manifest, given), str(args.manifest))
    used = training | held_out
    idle = table.subset(~used)
    unused = f'left out, {given!r} says val, and test evaluates: {len(idle)} patches'
    prepare(args, table.subset(used), out, held_out[used], given, unused if len(idle) else None)


def _refuse_missing(manifest: Path, header: list[str], columns: dict[str, str | None]) -> None:
    """As `read_csv` does, in the words of the command line."""
    wanted = {**{name: name for name in ('file', 'label', 'slide')}, **columns}
    for name, column in wanted.items():
        if column is not None and column not in header:
            others = ', or give --slide-pattern or --patch-is-slide' if name == 'slide' else ''
            raise DataError(
                f'{manifest}: no column {column!r}, found {header}; name it with --{name}-column'
                f'{others}'
            )


def _refuse_both(args: argparse.Namespace, *names: str) -> None:
    found = [f'--{name.replace("_", "-")}' for name in names if getattr(args, name)]
    if len(found) > 1:
        raise ConfigError(f'{" and ".join(found)} do not go together')


FOLDER = Kind(
    'folder',
    'a folder of images per class → splits/*.csv and a config fragment',
    "cite prepare folder data/mine/tiles --slide-pattern '(?P<slide>[^/]+)/[^/]+$' --mpp 0.5",
    _add_folder_arguments,
    _run_folder,
)
CSV = Kind(
    'csv',
    'a CSV file with a row per patch → splits/*.csv and a config fragment',
    'cite prepare csv data/mine/patches.csv --slide-column slide_id --patient-column case --mpp 0.5',
    _add_csv_arguments,
    _run_csv,
)
