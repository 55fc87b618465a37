"""PatchGastricADC22 as its authors ship it: `captions.csv` and a folder `{id}_{hash}.jpg`.

Tsuneki and Kanavati, "Inference of captions from histopathological patches", MIDL 2022. Of its 991
slides CITE (MICCAI 2023) uses 693 in three grades. Subtypes that span two grades, and other
tumours, are left out, and so is the one slide whose subtype names two diagnoses. There is no column
of patients.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
CLASS_OF_SUBTYPE = {
    'Well differentiated tubular adenocarcinoma': 0,
    'Moderately differentiated tubular adenocarcinoma': 1,
    'Poorly differentiated adenocarcinoma, non-solid type': 2,
    'Poorly differentiated adenocarcinoma, solid type': 2,
}


def why_left_out(subtype: str) -> str:
    """Why slides of a subtype belong to none of the classes."""
    if '. ' in subtype:
        return 'names two diagnoses'
    return 'spans two grades' if ' to ' in subtype else 'other subtype'


@dataclass(frozen=True)
class Report:
    """What was found and what was left out.

    Attributes:
        captioned: class -> slides of it in the caption file.
        found: class -> patches, and slides that have any.
        left_out: subtype that is of no class -> its patches, and its slides in the caption file.
        slides_without_patches: sorted slides of the classes for which there is no file.
        patches_without_slide: sorted files whose slide the caption file does not have.
        bad: patches of the classes that were left out because they cannot be read.
    """

    captioned: dict[str, int]
    found: dict[str, ClassCount]
    left_out: dict[str, ClassCount]
    slides_without_patches: tuple[str, ...]
    patches_without_slide: tuple[str, ...]
    bad: tuple[str, ...]

    def __str__(self) -> str:
        used = sum(self.captioned.values())
        others = sum(count.slides for count in self.left_out.values())
        numbers = ' / '.join(str(count) for count in self.captioned.values())
        lines = [f'{used + others} slides with a caption, {used} of the three classes ({numbers})']
        lines += [
            f'  left out, {why_left_out(subtype)}: {subtype} ({count.slides} slides, '
            f'{count.patches} patches)'
            for subtype, count in self.left_out.items()
        ]
        for what, names in (
            ('slides without patches', self.slides_without_patches),
            ('patches without a slide in the caption file', self.patches_without_slide),
            ('patches that cannot be read', self.bad),
        ):
            if names:
                lines.append(f'  left out, {what} ({len(names)}): {some(names)}')
        return '\n'.join(lines)


def is_used(subtypes: Mapping[str, str], name: str) -> bool:
    """Whether a file name is that of a patch of a class; `subtypes` are those of `read_subtypes`."""
    slide, underscore, _ = name.partition('_')
    return bool(underscore) and subtypes.get(slide) in CLASS_OF_SUBTYPE


def read_patchgastric(
    root: str | Path,
    captions: str = 'captions.csv',
    patches: str = 'patches_captions',
    bad: Collection[str] = (),
    elsewhere: Iterable[str] = (),
) -> tuple[PatchTable, Report]:
    """Read the data set in its three classes (`PATCHGASTRIC_CLASSES`), rows sorted by file.

    Args:
        root: folder of the data set.
        captions: caption file, relative to `root`, with columns `id` and `subtype`.
        patches: folder of patches, relative to `root`.
        bad: names of patches that are left out because they cannot be read.
        elsewhere: names of patches that were left in the archive; they are counted.

    Raises:
        DataError: no caption file or folder of patches, wrong columns, a slide listed twice, or
            no patch of any class.
    """
    root = Path(root)
    subtypes = read_subtypes(root / captions)
    if not (root / patches).is_dir():
        raise DataError(f'{root / patches}: no such folder; it should hold the patches')
    with os.scandir(root / patches) as entries:
        names = {e.name for e in entries if Path(e.name).suffix.lower() in IMAGE_SUFFIXES}
    used = sorted(name for name in names.difference(bad) if is_used(subtypes, name))
    if not used:
        raise DataError(f'{root / patches}: no patches of slides in {captions}')
    slides = [name.partition('_')[0] for name in used]
    table = PatchTable(
        files=np.array([f'{patches}/{name}' for name in used]),
        labels=np.array([CLASS_OF_SUBTYPE[subtypes[slide]] for slide in slides]),
        slides=np.array(slides),
        classes=PATCHGASTRIC_CLASSES,
        root=root,
        source=str(root),
    )
    table.check(require_every_class=False)
    others = sorted(name for name in names.union(elsewhere) if not is_used(subtypes, name))
    return table, _report(table, subtypes, others, bad)


def _report(
    table: PatchTable, subtypes: Mapping[str, str], others: Sequence[str], bad: Collection[str]
) -> Report:
    labels = {slide: CLASS_OF_SUBTYPE[s] for slide, s in subtypes.items() if s in CLASS_OF_SUBTYPE}
    captioned = Counter(labels.values())
    slides_of = Counter(s for s in subtypes.values() if s not in CLASS_OF_SUBTYPE)
    owners = [(name, *name.partition('_')[:2]) for name in others]
    patches_of = Counter(subtypes[slide] for _, slide, mark in owners if mark and slide in subtypes)
    return Report(
        captioned={name: captioned[label] for label, name in enumerate(PATCHGASTRIC_CLASSES)},
        found=table.counts(),
        left_out={
            subtype: ClassCount(patches_of[subtype], count)
            for subtype, count in sorted(slides_of.items(), key=lambda item: (-item[1], item[0]))
        },
        slides_without_patches=tuple(sorted(set(labels).difference(table.slides.tolist()))),
        patches_without_slide=tuple(
            name for name, slide, mark in owners if not mark or slide not in subtypes
        ),
        bad=tuple(sorted(bad)),
    )


def read_subtypes(path: Path) -> dict[str, str]:
    """Slide -> subtype of a caption file, in its order.

    Raises:
        DataError: no such file, missing columns, or a slide listed twice.
    """
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
