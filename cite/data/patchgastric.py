"""PatchGastricADC22 as its authors ship it: `captions.csv` and a folder `{id}_{hash}.jpg`.

Tsuneki and Kanavati, "Inference of captions from histopathological patches", MIDL 2022. Of its 991
slides CITE (MICCAI 2023) uses 693 in three grades. Subtypes that span two grades, and other
tumours, are left out, and so is the one slide whose subtype names two diagnoses.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cite.data.readers import IMAGE_SUFFIXES
from cite.data.table import ClassCount, PatchTable, some
from cite.data.text_files import read_rows
from cite.errors import DataError

PATCHGASTRIC_CLASSES = (
    'well differentiated tubular adenocarcinoma',
    'moderately differentiated tubular adenocarcinoma',
    'poorly differentiated adenocarcinoma',
)

# The subtypes as captions.csv spells them. Matched exactly: the subtypes left out resemble them.
_CLASS_OF_SUBTYPE = {
    'Well differentiated tubular adenocarcinoma': 0,
    'Moderately differentiated tubular adenocarcinoma': 1,
    'Poorly differentiated adenocarcinoma, non-solid type': 2,
    'Poorly differentiated adenocarcinoma, solid type': 2,
}


@dataclass(frozen=True)
class Report:
    """What was found and what was left out.

    Attributes:
        captioned: class -> slides of it in the caption file.
        found: class -> patches, and slides that have any.
        left_out: subtype -> slides that belong to none of the classes.
        patches_left_out: patches of those slides.
        slides_without_patches: sorted slides of the classes for which there is no file.
        patches_without_slide: sorted files whose slide the caption file does not have.
    """

    captioned: dict[str, int]
    found: dict[str, ClassCount]
    left_out: dict[str, int]
    patches_left_out: int
    slides_without_patches: tuple[str, ...]
    patches_without_slide: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f'{name}: {count.patches} patches of {count.slides} slides '
            f'({self.captioned[name]} with a caption)'
            for name, count in self.found.items()
        ]
        lines += [f'left out, {count} slides: {name}' for name, count in self.left_out.items()]
        if self.patches_left_out:
            lines.append(f'left out with them: {self.patches_left_out} patches')
        if self.slides_without_patches:
            lines.append(f'slides without patches: {some(self.slides_without_patches)}')
        if self.patches_without_slide:
            lines.append(f'patches without a slide: {some(self.patches_without_slide)}')
        return '\n'.join(lines)


def read_patchgastric(
    root: str | Path,
    captions: str = 'captions.csv',
    patches: str = 'patches_captions',
) -> tuple[PatchTable, Report]:
    """Read the data set in its three classes (`PATCHGASTRIC_CLASSES`), rows sorted by file.

    Args:
        root: folder of the data set.
        captions: caption file, relative to `root`, with columns `id` and `subtype`.
        patches: folder of patches, relative to `root`.

    Raises:
        DataError: no caption file or folder of patches, wrong columns, a slide listed twice, or
            no patch of any class.
    """
    root = Path(root)
    subtypes = _subtypes(root / captions)
    if not (root / patches).is_dir():
        raise DataError(f'{root / patches}: no such folder; it should hold the patches')
    with os.scandir(root / patches) as entries:
        names = sorted(e.name for e in entries if Path(e.name).suffix.lower() in IMAGE_SUFFIXES)
    files, slides, orphans, patches_left_out = [], [], [], 0
    for name in names:
        slide, underscore, _ = name.partition('_')
        if not underscore or slide not in subtypes:
            orphans.append(name)
        elif subtypes[slide] not in _CLASS_OF_SUBTYPE:
            patches_left_out += 1
        else:
            files.append(f'{patches}/{name}')
            slides.append(slide)
    if not files:
        raise DataError(f'{root / patches}: no patches of slides in {captions}')
    table = PatchTable(
        files=np.array(files),
        labels=np.array([_CLASS_OF_SUBTYPE[subtypes[slide]] for slide in slides]),
        slides=np.array(slides),
        classes=PATCHGASTRIC_CLASSES,
        root=root,
        source=str(root),
    )
    table.check(require_every_class=False)
    used = {slide: _CLASS_OF_SUBTYPE[s] for slide, s in subtypes.items() if s in _CLASS_OF_SUBTYPE}
    per_class = Counter(used.values())
    others = Counter(s for s in subtypes.values() if s not in _CLASS_OF_SUBTYPE)
    report = Report(
        captioned={name: per_class[label] for label, name in enumerate(PATCHGASTRIC_CLASSES)},
        found=table.counts(),
        left_out=dict(sorted(others.items(), key=lambda item: (-item[1], item[0]))),
        patches_left_out=patches_left_out,
        slides_without_patches=tuple(sorted(set(used).difference(slides))),
        patches_without_slide=tuple(orphans),
    )
    return table, report


def _subtypes(path: Path) -> dict[str, str]:
    """Slide -> subtype of a caption file."""
    header, rows = read_rows(path)
    missing = [name for name in ('id', 'subtype') if name not in header]
    if missing:
        raise DataError(f'{path}: missing columns {missing}, found {header}')
    slide_at, subtype_at = header.index('id'), header.index('subtype')
    subtypes: dict[str, str] = {}
    for number, row in rows:
        if row[slide_at] in subtypes:
            raise DataError(f'{path}, line {number}: slide {row[slide_at]} is listed twice')
        subtypes[row[slide_at]] = row[subtype_at]
    return subtypes
