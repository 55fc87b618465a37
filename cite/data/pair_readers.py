"""Image–caption pairs from files: CSV manifests, and PatchGastric's slides with their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cite.data.captions import mask_grades as _masked
from cite.data.csv_manifest import read_csv, refuse_torn
from cite.data.pairs import PairTable
from cite.data.splits import VAL, Split
from cite.data.table import PatchTable, some
from cite.data.text_files import read_rows
from cite.errors import ConfigError, DataError

PAIR_COLUMNS = ('file', 'caption', 'slide', 'split')


def read_pairs_csv(
    path: str | Path,
    root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
    mask_grades: bool = False,
) -> PairTable:
    """Read a manifest with a header: `file,caption[,slide][,split]`.

    Args:
        path: UTF-8 CSV file.
        root: folder that relative files are under; default the manifest's.
        columns: names the file uses, e.g. `{'caption': 'text', 'slide': 'case_id'}`. Without a slide
            column every patch is its own slide.
        split: rows of this split only; `'val'` is held out. Default all rows.
        mask_grades: take out what names the grade, see `cite.data.captions.mask_grades`.

    Returns:
        Pairs sorted by file.

    Raises:
        DataError: no such file, empty, not UTF-8, missing columns, an empty field, no such split, a
            slide in two splits, or a table that contradicts itself (`PairTable.check`).
        ConfigError: `columns` names a column that pairs do not have.
    """
    path = Path(path)
    strange = sorted(set(columns or {}) - set(PAIR_COLUMNS))
    if strange:
        raise ConfigError(f'columns may map {list(PAIR_COLUMNS)}, not {strange}')
    values = _columns(path, dict(columns or {}), ['split'] if split is not None else [])
    slides = values.get('slide', values['file'])
    splits = values.get('split')
    if splits is not None:
        refuse_torn('slide', slides, splits, path)
    captions = [_masked(t) if mask_grades else t for t in values['caption']]
    table = PairTable(
        files=np.array(values['file']),
        captions=np.array(captions, dtype=object),
        slides=np.array(slides),
        root=path.parent if root is None else Path(root),
        source=str(path),
        part=split,
    )
    if split is not None and splits is not None:
        if split not in splits:
            raise DataError(f'{path}: no split {split!r}, the file has {sorted(set(splits))}')
        table = table.subset([i for i, name in enumerate(splits) if name == split])
    table.check()
    return table.sorted()


def read_patchgastric_pairs(
    root: str | Path,
    split_dir: str | Path | None = None,
    part: str = 'train_all',
    mask_grades: bool = False,
    captions: str = 'captions.csv',
) -> PairTable:
    """Patches of a part of a split, each with the report of its slide.

    The patches are those of the part's manifest, so they are the ones that classification uses: bad
    ones and those beyond a cap are left out. `split.json` is the judge of which slides those may be.

    Args:
        root: folder of the data set.
        split_dir: folder that `cite prepare patchgastric` wrote; default `root/splits`.
        part: `'train_all'`, `'train_1'`, ...: training slides. `'val'`: the held-out slides, for
            evaluation alone; the table says so (`held_out`).
        mask_grades: take out what names the grade. Groups are then those of the masked texts.
        captions: caption file, relative to `root`, with columns `id` and `text`.

    Returns:
        Pairs sorted by file, with the part and the hash of the split.

    Raises:
        DataError: no split, one that is damaged or has no such part, a manifest that lists other
            slides than the split has in that part, or a slide without a caption.
    """
    root = Path(root)
    folder = root / 'splits' if split_dir is None else Path(split_dir)
    split = Split.load(folder / 'split.json')
    allowed = split.slides(part)
    patches = read_csv(folder / f'{part}.csv', root, split.classes)
    _check_slides(patches, split, part, allowed)
    text_of = _captions_of_slides(root / captions)
    missing = sorted(set(patches.slides.tolist()) - set(text_of))
    if missing:
        raise DataError(f'{root / captions}: no caption of the slides {some(missing)}')
    if mask_grades:
        text_of = {slide: _masked(text) for slide, text in text_of.items()}
    table = PairTable(
        files=patches.files,
        captions=np.array([text_of[s] for s in patches.slides.tolist()], dtype=object),
        slides=patches.slides,
        root=root,
        source=patches.source,
        part=part,
        split_hash=split.hash,
    )
    table.check()
    return table.sorted()


def _check_slides(
    patches: PatchTable, split: Split, part: str, allowed: Mapping[str, Sequence[str]]
) -> None:
    for name in split.classes:
        found, expected = set(patches.slides_of(name)), set(allowed[name])
        other = sorted(found - expected)
        if other:
            held_out = {slide for slides in split.evaluation.values() for slide in slides}
            why = (
                'held out for evaluation' if part != VAL and held_out & set(other) else 'not in it'
            )
            raise DataError(
                f'{patches.source}: lists slides of {name!r} that are {why} by split.json: '
                f'{some(other)}; make the split anew'
            )
        if expected - found:
            raise DataError(
                f'{patches.source}: no patches of the slides {some(sorted(expected - found))}, which '
                f'split.json has in {part}; make the split anew'
            )


def _captions_of_slides(path: Path) -> dict[str, str]:
    values = _columns(path, {'file': 'id', 'caption': 'text'}, [])
    slides, counts = values['file'], dict(zip(values['file'], values['caption'], strict=True))
    if len(counts) < len(slides):
        twice = sorted({slide for slide in slides if slides.count(slide) > 1})
        raise DataError(f'{path}: slides listed more than once: {some(twice)}')
    return counts


def _columns(path: Path, names: Mapping[str, str], needed: list[str]) -> dict[str, list[str]]:
    """Column -> its values, of those of `PAIR_COLUMNS` that the file has."""
    header, rows = read_rows(path)
    place = {column: names.get(column, column) for column in PAIR_COLUMNS}
    required = dict.fromkeys(['file', 'caption', *names, *needed])
    missing = [place[column] for column in required if place[column] not in header]
    if missing:
        raise DataError(
            f'{path}: missing columns {missing}, found {header}; '
            "say which columns to use with columns={'caption': 'name in the file'}"
        )
    used = {column: header.index(name) for column, name in place.items() if name in header}
    values: dict[str, list[str]] = {column: [] for column in used}
    for number, row in rows:
        for column, position in used.items():
            if not row[position].strip() and column != 'split':
                raise DataError(f'{path}, line {number}: no value in column {place[column]!r}')
            values[column].append(row[position])
    return values
