"""`cite prepare patchgastric`: captions.csv and the patches, or their archive → splits by slide."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cite.cli.parsing import count
from cite.cli.prepare.common import SHOTS, Kind, add_split_arguments, settle_bad
from cite.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cite.data.patchgastric import Report
    from cite.data.table import PatchTable

PATCHES = 'patches_captions'
BY_SLIDE = (
    'by slide. PatchGastric has no patient column: slides of one patient may be on both sides'
)
ORIGINAL = (
    'warning: protocol original. The k shots are the k slides with the most patches; the seed draws the '
    'evaluation slides, and of the shots only orders the lines'
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('root', type=Path, help=f'folder with captions.csv and {PATCHES}/')
    parser.add_argument(
        '--zip', type=Path, help=f'archive of the patches (default: ROOT/{PATCHES}.zip, if needed)'
    )
    parser.add_argument('--out', type=Path, help='where to write (default: ROOT/splits)')
    parser.add_argument(
        '--shots',
        type=count,
        nargs='+',
        default=list(SHOTS),
        help=f'training slides per class (default: {" ".join(map(str, SHOTS))})',
    )
    parser.add_argument(
        '--protocol',
        choices=('fixed', 'original'),
        default='fixed',
        help='original: annotation files as the published code made them',
    )
    parser.add_argument(
        '--check-images',
        action=argparse.BooleanOptionalAction,
        help='decode every patch, or none (default: those that come out of the archive)',
    )
    add_split_arguments(parser)


def _run(args: argparse.Namespace) -> None:
    from cite.data.patchgastric import read_patchgastric, read_subtypes
    from cite.data.verify import verify_images

    if args.protocol == 'original' and args.max_patches_per_slide:
        raise ConfigError('--max-patches-per-slide does not go with --protocol original')
    in_archive, bad = _unpack(args, read_subtypes(args.root / 'captions.csv'))
    table, report = read_patchgastric(args.root, bad=bad, elsewhere=in_archive)
    if args.check_images:
        unreadable = verify_images(table, args.workers)
        _tell(settle_bad(unreadable, len(table), args.root, args.skip_bad))
        bad = bad | {Path(entry.file).name for entry in unreadable}
        table, report = read_patchgastric(args.root, bad=bad, elsewhere=in_archive)
    if args.protocol == 'original':
        _write_original(args, table, report)
    else:
        _write(args, table, report)


def _unpack(args: argparse.Namespace, subtypes: dict[str, str]) -> tuple[tuple[str, ...], set[str]]:
    """Patches out of the archive, where there is one and the folder lacks some of them.

    Returns:
        Names of the patches that stay in the archive, and of those that cannot be read.
    """
    from cite.data.patchgastric import is_used
    from cite.data.prepare.zip_contents import read_contents
    from cite.data.prepare.zip_patches import unpack

    folder = args.root / PATCHES
    archive = args.zip or args.root / f'{PATCHES}.zip'
    if args.zip is None and not archive.is_file():
        if folder.is_dir():
            return (), set()
        raise DataError(
            f'{args.root} has neither {PATCHES}/ nor {PATCHES}.zip; download the archive, or name it '
            'with --zip'
        )
    contents = read_contents(archive, lambda name: is_used(subtypes, name))
    if args.zip is None and not contents.missing_in(folder):
        return contents.not_wanted, set()
    found = unpack(archive, contents, folder, args.check_images is not False, args.workers)
    print(
        f'{archive.name}: {found.written} patches unpacked, {found.kept} were there already, '
        f'{len(contents.not_wanted)} of slides that are not used stay in the archive'
    )
    _tell(settle_bad(found.bad, len(contents.members), archive, args.skip_bad))
    return contents.not_wanted, {entry.file for entry in found.bad}


def _tell(line: str) -> None:
    if line:
        print(line)


def _write(args: argparse.Namespace, table: PatchTable, report: Report) -> None:
    from cite.data.manifests import parts_of
    from cite.data.prepare.prepared import write_prepared
    from cite.data.prepare.split_report import split_report
    from cite.data.splits import few_shot_split

    split = few_shot_split(table, [*args.shots, 'all'], args.eval_fraction, args.seed)
    most = args.max_patches_per_slide
    parts = parts_of(table, split, most)
    text = f'{report}\n\n{split_report(split, parts, BY_SLIDE, most)}\n'
    out = args.out or args.root / 'splits'
    write_prepared(out, split, parts, text, {'kind': 'patchgastric', 'max_patches_per_slide': most})
    print(f'{text}\nin {out}')


def _write_original(args: argparse.Namespace, table: PatchTable, report: Report) -> None:
    """The annotation files of the published code, and what they hold."""
    from cite.atomic import write_text
    from cite.data.prepare.split_report import counts_table
    from cite.legacy.splits import write_original

    out = args.out or args.root / 'gastric_cls3_ann'
    rows = write_original(
        args.root,
        out,
        seed=args.seed,
        val=args.eval_fraction,
        shots=args.shots,
        listing=sorted(Path(file).name for file in table.files.tolist()),
    )
    text = f'{report}\n\n{counts_table(table.classes, rows)}\n\n{ORIGINAL}\nsplit {BY_SLIDE}\n'
    write_text(out / 'report.txt', text)
    print(f'{text}\nin {out}')


KIND = Kind(
    'patchgastric',
    f'captions.csv and {PATCHES}/ or its ZIP file → splits/*.csv, by slide',
    'cite prepare patchgastric data/patchgastric --shots 1 2 4 8 16 --seed 0',
    _add_arguments,
    _run,
)
