"""The steps of `cite prepare folder` and `csv`: images, duplicates, split, files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cite.cli.prepare.common import SHOTS, settle_bad
from cite.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cite.data.prepare.scan import Scan
    from cite.data.splits import Shots, Split
    from cite.data.table import PatchTable


def prepare(
    args: argparse.Namespace,
    table: PatchTable,
    out: Path,
    held_out: NDArray[np.bool_] | None = None,
    given: str | None = None,
    unused: str | None = None,
) -> None:
    """Check a table, split it, and write what belongs to the split.

    Args:
        args: of the command line.
        table: what was read.
        out: folder to write to.
        held_out: rows whose slides evaluate; None: they are drawn.
        given: the column that says so.
        unused: what the report says of rows on neither side.
    """
    import numpy as np

    from cite.data.manifests import parts_of
    from cite.data.prepare.config_fragment import NAME, config_fragment
    from cite.data.prepare.duplicate_findings import find_shared, refuse_two_classes
    from cite.data.prepare.duplicates import blank_rows, duplicate_groups
    from cite.data.prepare.patch_sizes import sample_sizes, settle_patch_size
    from cite.data.prepare.prepared import write_prepared
    from cite.data.prepare.split_report import split_report
    from cite.data.table import some

    if len(table.classes) < 2:
        raise DataError(f'{table.source}: one class only, {table.classes[0]!r}; a task needs two')
    table.check_files()
    order = np.argsort(table.files)  # nothing depends on how rows came, nor does the report
    table, held_out = table.subset(order), None if held_out is None else held_out[order]
    lines = [_about(table), *([unused] if unused else [])]
    scan: Scan | None = None
    if args.duplicates or args.check_images:
        table, scan, held_out, left_out = _look(args, table, held_out)
        lines += [left_out] if left_out else []
    sizes = sample_sizes(table) if scan is None else scan.sizes
    patch_size, line = settle_patch_size(args.patch_size, sizes, table.source)
    lines += [line, f'microns per pixel: {args.mpp or "not given (--mpp)"}']
    groups: list[tuple[int, ...]] = []
    if args.duplicates and scan is not None:
        groups = duplicate_groups(scan, progress=True)
        refuse_two_classes(table, groups)
        blank = blank_rows(scan)
        if len(blank):
            names = some(table.files[blank[:5]], len(blank))
            lines.append(f'warning: blank tiles, nearly of one colour ({len(blank)}): {names}')
    split = draw_split(args, table, held_out)
    parts = parts_of(table, split, args.max_patches_per_slide)
    findings = find_shared(table, groups, parts)
    if findings.across_sides and not args.allow_duplicates:
        raise DataError(
            f'{table.source}: the same picture (up to turning and mirroring) in training and '
            f'evaluation, {some(findings.across_sides)}. Remove one of each, give both the same slide '
            'or patient, or go on with --allow-duplicates'
        )
    lines += findings.lines()
    report = split_report(split, parts, _by(args, table, given), args.max_patches_per_slide)
    text = '\n'.join([*lines, '', report]) + '\n'
    options = {
        'kind': args.kind,
        'max_patches_per_slide': args.max_patches_per_slide,
        'mpp': args.mpp,
        'patch_size': patch_size,
        'given_split': given,
    }
    fragment = config_fragment(table, split, out, args.mpp, patch_size)
    write_prepared(out, split, parts, text, options, {NAME: fragment})
    print(f"{text}\nin {out}; for a config: _base_ = [..., '{(out / NAME).as_posix()}']")


def _about(table: PatchTable) -> str:
    slides = len(set(table.slides.tolist()))
    patients = '' if table.patients is None else f', {len(set(table.patients.tolist()))} patients'
    return (
        f'{table.source}: {len(table)} patches, {slides} slides{patients}, {len(table.classes)} '
        f'classes (the slide of {table.files[0]} is {table.slides[0]})'
    )


def _look(
    args: argparse.Namespace, table: PatchTable, held_out: NDArray[np.bool_] | None
) -> tuple[PatchTable, Scan, NDArray[np.bool_] | None, str]:
    """Every image is decoded; those that cannot be are left out, where that was asked for."""
    from cite.data.prepare.scan import scan_images

    scan = scan_images(table, args.workers)
    left_out = settle_bad(scan.bad, len(table), table.source, args.skip_bad)
    keep = scan.sizes[:, 0] > 0
    held_out = None if held_out is None else held_out[keep]
    return table.subset(keep), scan.subset(keep), held_out, left_out


def draw_split(
    args: argparse.Namespace, table: PatchTable, held_out: NDArray[np.bool_] | None
) -> Split:
    """The split that the options ask for, of a table of patches or of slides."""
    from cite.data.prepare.given_split import given_split
    from cite.data.splits import few_shot_split

    def draw(shots: Sequence[Shots]) -> Split:
        if held_out is None:
            return few_shot_split(table, shots, args.eval_fraction, args.seed)
        return given_split(table, held_out, shots, args.seed)

    shots = args.shots
    if shots is None:
        fewest = min(len(slides) for slides in draw(['all']).slides('train_all').values())
        shots = [k for k in SHOTS if k <= fewest]
    return draw([*shots, 'all'])


def _by(args: argparse.Namespace, table: PatchTable, given: str | None) -> str:
    """What is kept together, and what that does not promise."""
    start = f'as column {given!r} says, ' if given else ''
    if table.patients is not None:
        return f'{start}by patient: all slides of a patient are on one side'
    if args.patch_is_slide:
        return (
            f'{start}by patch. Patches of one slide may be on both sides, and scores then promise '
            'too much'
        )
    return f'{start}by slide. No patients are named: slides of one patient may be on both sides'
