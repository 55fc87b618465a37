"""`cite prepare slides`: whole slides and their labels → patches, splits and a config fragment."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.parsing import count
from cite.cli.prepare.common import Kind, add_split_arguments
from cite.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cite.images import ResizePatch
    from cite.slides.labels import LabelledSlide
    from cite.slides.patches import CutSlide

MANIFEST = 'patches.csv'


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('slides', type=Path, nargs='+', help='slides, and folders of slides')
    parser.add_argument(
        '--labels', type=Path, required=True, help='CSV file: slide,label[,patient][,mpp]'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for patches and splits')
    parser.add_argument(
        '--mpp', type=float, default=0.5, help='micrometres per pixel of the patches (default: 0.5)'
    )
    parser.add_argument(
        '--tile-size', type=count, default=300, help='pixels along a side (default: 300)'
    )
    parser.add_argument(
        '--overlap', type=_whole, default=0, help='pixels that neighbours share (default: 0)'
    )
    parser.add_argument(
        '--tissue',
        type=float,
        default=0.5,
        help='least part of a patch that is tissue (default: 0.5)',
    )
    parser.add_argument('--blur', type=float, help='least sharpness (default: 0.02; 0 takes all)')
    parser.add_argument(
        '--most-tiles',
        type=count,
        metavar='N',
        help='patches of a slide at most, drawn by the seed',
    )
    parser.add_argument(
        '--slide-mpp', type=float, help='of slides whose file does not say it (or a column mpp)'
    )
    parser.add_argument(
        '--format', choices=('jpg', 'png'), default='jpg', help='of the patches (default: jpg)'
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='label order (default: sorted)'
    )
    parser.add_argument(
        '--shots', type=count, nargs='+', help='training slides per class (default: 1 2 4 8 16, as far '
        'as there are slides)'
    )  # fmt: skip
    parser.add_argument(
        '--store',
        metavar='MODEL',
        help='also decode the patches for a model, so that training on it reads no files',
    )
    add_split_arguments(parser)


def _whole(text: str) -> int:
    return 0 if text == '0' else count(text)


def _run(args: argparse.Namespace) -> None:
    from cite.cli.prepare.own_steps import prepare
    from cite.data.csv_manifest import read_csv
    from cite.slides.files import find_slides
    from cite.slides.inference import BLUR
    from cite.slides.labels import read_labels
    from cite.slides.tiling import TileSpec
    from cite.slides.written import check_targets

    spec = TileSpec(args.tile_size, args.mpp, args.overlap, args.tissue)
    resize = None if args.store is None else _resize_of(args.store)
    labelled = read_labels(args.labels, find_slides(args.slides))
    _check_classes(args, labelled)
    folders = [args.out / 'patches' / slide.name for slide in labelled]
    check_targets(folders, [slide.path for slide in labelled])
    blur = BLUR if args.blur is None else args.blur
    done = _cut(args, labelled, spec, blur)
    manifest = args.out / MANIFEST
    write_manifest(manifest, done)
    table = read_csv(manifest, args.out, args.classes)
    if resize is not None:
        from cite.data.store import open_store

        print(f'decoded patches of {args.store}: {open_store(table, [resize]).path}')
    # what the steps of other kinds ask for
    args.patch_size, args.patch_is_slide = args.tile_size, False
    args.duplicates, args.check_images, args.allow_duplicates = False, False, False
    prepare(args, table, args.out / 'splits')


def _check_classes(args: argparse.Namespace, labelled: Sequence[LabelledSlide]) -> None:
    """Classes, and slides enough for a split of them: now, not after an hour of cutting."""
    import numpy as np

    from cite.cli.prepare.own_steps import draw_split
    from cite.data.table import PatchTable

    labels = {slide.label for slide in labelled}
    if len(labels) < 2:
        raise DataError(f'{args.labels}: one class only, {labels}; a task needs two')
    if args.classes is not None and set(args.classes) != labels:
        raise ConfigError(
            f'--classes {sorted(args.classes)} are not those of {args.labels}: {sorted(labels)}'
        )
    classes = sorted(labels) if args.classes is None else list(args.classes)
    patients = [slide.patient or '' for slide in labelled]
    rows = PatchTable(
        files=np.array([str(slide.path) for slide in labelled]),
        labels=np.array([classes.index(slide.label) for slide in labelled]),
        slides=np.array([slide.name for slide in labelled]),
        classes=tuple(classes),
        root=args.out,
        patients=np.array(patients) if any(patients) else None,
        source=str(args.labels),
    )
    draw_split(args, rows, None)


def _cut(
    args: argparse.Namespace, labelled: Sequence[LabelledSlide], spec: Any, blur: float
) -> list[tuple[LabelledSlide, CutSlide]]:
    from cite.slides.outputs.folder import OutputError
    from cite.slides.patches import cut_slide

    done: list[tuple[LabelledSlide, CutSlide]] = []
    failed: list[str] = []
    for slide in labelled:
        try:
            cut = cut_slide(
                slide.path,
                args.out / 'patches' / slide.name,
                spec,
                args.slide_mpp if slide.mpp is None else slide.mpp,
                blur,
                args.most_tiles,
                args.seed,
                args.format,
                slide.mpp is not None,  # a row of the table is meant for that slide
                args.workers,
                progress=True,
            )
        except OutputError:  # of the disk, not of a slide
            raise
        except DataError as error:
            if not args.skip_bad:
                raise DataError(
                    f'{error}. Slides that are cut are kept; --skip-bad leaves such slides out'
                ) from error
            failed.append(str(error))
            print(f'left out: {error}')
            continue
        done.append((slide, cut))
        print(_line(slide, cut))
    if not done:
        raise DataError(f'none of the {len(labelled)} slides could be cut: {failed[0]}')
    empty = [slide.name for slide, cut in done if not cut.files]
    if empty:
        print(f'warning: every tile is blurred, so no patches of {", ".join(empty)}; see --blur')
    return done


def _line(slide: LabelledSlide, cut: CutSlide) -> str:
    counts = cut.counts
    rest = [f'{counts[kind]} {kind}' for kind in ('blurred', 'damaged') if counts[kind]]
    if counts['grid'] > counts['written'] and not rest:
        rest.append(f'drawn from {counts["grid"]}')
    if cut.enlarged > 1:
        rest.append(f'warning: scanned coarser, enlarged {cut.enlarged:.2f} times')
    if cut.again:
        rest.append('there already')
    told = f' ({", ".join(rest)})' if rest else ''
    return f'{slide.name}: {slide.label}, {counts["written"]} patches{told}'


def write_manifest(path: Path, done: Sequence[tuple[LabelledSlide, CutSlide]]) -> None:
    """`file,label,slide[,patient],x,y`, with x and y in pixels of level 0."""
    from cite.atomic import write_text

    patients = any(slide.patient is not None for slide, _ in done)
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['file', 'label', 'slide', *(['patient'] if patients else []), 'x', 'y'])
    for slide, cut in done:
        with (cut.folder / 'tiles.csv').open(newline='', encoding='utf-8') as file:
            for row in csv.DictReader(file):
                name = f'patches/{cut.folder.name}/{row["file"]}'
                known = [slide.patient] if patients else []
                writer.writerow([name, slide.label, slide.name, *known, row['x'], row['y']])
    write_text(path, text.getvalue())


def _resize_of(model: str) -> ResizePatch:
    """How the default pipeline of a model resizes patches."""
    from cite.encoders.zoo import find_card
    from cite.images import ResizePatch

    card = find_card(model)
    if card is None:
        raise ConfigError(f'--store {model}: no model of that name; see `cite models`')
    size = card.resize_size if card.resize != 'pad' else None
    return ResizePatch(card.image_size, card.interpolation, card.resize, size)


KIND = Kind(
    'slides',
    'whole slides and their labels → patches, splits/*.csv and a config fragment',
    'cite prepare slides scans --labels slides.csv --out data/mine --mpp 0.5 --tile-size 300',
    _add_arguments,
    _run,
)
