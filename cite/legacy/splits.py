"""The published split of PatchGastric: which slides evaluate, and which are the k shots.

Evaluation slides are drawn by seed from the order of captions.csv. The k shots are not drawn: they are
the k training slides of a class with the most patches, ties going by the order of the files, and the
seed only orders the lines. So the result depends on the order in which files are listed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cite.atomic import write_text
from cite.data.manifests import PartCount
from cite.data.patchgastric import CLASS_OF_SUBTYPE, PATCHGASTRIC_CLASSES, read_subtypes
from cite.errors import ConfigError, DataError

N_CLASSES = len(PATCHGASTRIC_CLASSES)


class Line(NamedTuple):
    """One line of an annotation file."""

    file: str
    label: int

    @property
    def slide(self) -> str:
        return self.file.split('_')[0]

    def __str__(self) -> str:
        return f'{self.file} {self.label}'


def evaluation_and_training(
    class_of_slide: Mapping[str, int], listing: Iterable[str], val: float = 0.8, seed: int = 0
) -> tuple[list[Line], list[Line]]:
    """Lines of the evaluation part (class by class) and of all training slides (as listed).

    Args:
        class_of_slide: slide -> class, in the order of captions.csv, which the draw depends on.
        listing: file names, in the order that the lines get.
        val: share of a class's slides that evaluate, rounded down.
        seed: of Python's generator.
    """
    generator = random.Random(seed)
    held_out: set[str] = set()
    for label in range(N_CLASSES):
        slides = [slide for slide, of in class_of_slide.items() if of == label]
        held_out.update(generator.sample(slides, int(len(slides) * val)))
    lines = [
        Line(file, class_of_slide[slide])
        for file in listing
        if (slide := file.split('_')[0]) in class_of_slide
    ]
    evaluation = [
        line
        for label in range(N_CLASSES)
        for line in lines
        if line.label == label and line.slide in held_out
    ]
    return evaluation, [line for line in lines if line.slide not in held_out]


def slides_of_shots(
    training: Sequence[Line], k: int, by_patch_count: bool = True, seed: int = 0
) -> list[Line]:
    """Lines of k slides per class, shuffled.

    Args:
        training: lines of all training slides.
        k: slides per class; where a class has fewer, all of them.
        by_patch_count: True takes the slides with the most patches. False, the other mode of the
            published code, draws k *patches* and takes the slides that they come from: these can be
            fewer than k, and large slides are favoured.
        seed: of Python's generator.

    Raises:
        DataError: a class with fewer patches than are to be drawn.
    """
    generator = random.Random(seed)
    of_class = [[line for line in training if line.label == label] for label in range(N_CLASSES)]
    chosen: list[set[str]] = []
    for label, lines in enumerate(of_class):
        if by_patch_count:
            counts: dict[str, int] = {}
            for line in lines:
                counts[line.slide] = counts.get(line.slide, 0) + 1
            # stable: slides of equal size stay in the order of their first files
            chosen.append(set(sorted(counts, key=counts.__getitem__, reverse=True)[:k]))
        elif len(lines) < k:
            raise DataError(f'class {label} has {len(lines)} training patches, {k} are to be drawn')
        else:
            chosen.append({line.slide for line in generator.sample(lines, k)})
    drawn = [
        line
        for lines, slides in zip(of_class, chosen, strict=True)
        for line in lines
        if line.slide in slides
    ]
    generator.shuffle(drawn)
    return drawn


def write_original(
    root: str | Path,
    out: str | Path | None = None,
    *,
    seed: int = 0,
    val: float = 0.8,
    shots: Sequence[int] = (1, 2, 4, 8, 16),
    by_patch_count: bool = True,
    listing: Sequence[str] | None = None,
) -> list[PartCount]:
    """Write `val_0.8.txt`, `train_all_0.2.txt` and `train_{k}_0.2.txt` as the published script did.

    Args:
        root: folder with `captions.csv` and `patches_captions/`.
        out: folder to write to; default `root/gastric_cls3_ann`.
        seed, val, by_patch_count: see `evaluation_and_training` and `slides_of_shots`.
        shots: numbers of slides per class.
        listing: file names in the order wanted. Default: sorted by name, so that every machine writes
            the same; the published script took them as the file system gave them.

    Returns:
        One row per part and class.

    Raises:
        DataError: no caption file or folder of patches, a class without slides on either side, or
            files of another split in the folder, which are never replaced.
        ConfigError: a share that is not between 0 and 1.
    """
    root = Path(root)
    if not 0 < val < 1:
        raise ConfigError(f'the share of evaluation slides must be between 0 and 1, found {val}')
    subtypes = read_subtypes(root / 'captions.csv')
    classes = {slide: CLASS_OF_SUBTYPE[s] for slide, s in subtypes.items() if s in CLASS_OF_SUBTYPE}
    if listing is None:
        folder = root / 'patches_captions'
        if not folder.is_dir():
            raise DataError(f'{folder}: no such folder; it should hold the patches')
        listing = sorted(path.name for path in folder.iterdir())
    evaluation, training = evaluation_and_training(classes, listing, val, seed)
    for side, lines in (('evaluation', evaluation), ('training', training)):
        empty = set(range(N_CLASSES)) - {line.label for line in lines}
        if empty:
            names = [PATCHGASTRIC_CLASSES[label] for label in sorted(empty)]
            raise DataError(f'{root}: no {side} patches of {", ".join(names)}')
    rest = round(1 - val, 2)
    out = root / 'gastric_cls3_ann' if out is None else Path(out)
    parts = {f'val_{val}': evaluation, f'train_all_{rest}': training}
    for k in sorted(set(shots)):
        parts[f'train_{k}_{rest}'] = slides_of_shots(training, k, by_patch_count, seed)
    texts: dict[Path, str] = {}
    for name, lines in parts.items():
        # the published script ends its files of shots without a line feed; so do these
        end = '\n' if name.startswith(('val', 'train_all')) else ''
        texts[out / f'{name}.txt'] = '\n'.join(map(str, lines)) + end
    for path, text in texts.items():
        if path.is_file() and path.read_bytes() != text.encode():
            raise DataError(
                f'{path} is there and holds other lines; nothing was written. Name another folder '
                'with --out, or remove this one'
            )
    for path, text in texts.items():
        write_text(path, text)
    return [
        PartCount(name, title, *_count([line for line in lines if line.label == label]))
        for name, lines in parts.items()
        for label, title in enumerate(PATCHGASTRIC_CLASSES)
    ]


def _count(lines: Sequence[Line]) -> tuple[int, int]:
    return len({line.slide for line in lines}), len(lines)
