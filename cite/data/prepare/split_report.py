"""A split in words and one table: what people read before they trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cite.data.manifests import PartCount, count_parts
from cite.data.splits import Split
from cite.data.table import PatchTable


def split_report(
    split: Split, parts: Mapping[str, PatchTable], by: str, most_per_slide: int | None = None
) -> str:
    """Classes, slides and patches of every part, and by what the split is.

    Args:
        split: the split.
        parts: of it, see `cite.data.manifests.parts_of`.
        by: what is kept together: 'by slide', 'by patient', with what is to be said of it.
        most_per_slide: the cap that training parts were given.
    """
    lines = [counts_table(split.classes, count_parts(parts), parts), '']
    if most_per_slide is not None:
        lines.append(
            f'at most {most_per_slide} patches of each training slide; evaluation takes all'
        )
    lines.append(f'split {split.hash[:16]} (seed {split.seed}) {by}')
    return '\n'.join(lines)


def counts_table(
    classes: Sequence[str],
    rows: Sequence[PartCount],
    parts: Mapping[str, PatchTable] | None = None,
) -> str:
    """A line per part: slides and patches of each class and in all.

    With `parts`, it ends with the fewest, the median and the most patches of a slide.
    """
    titles = [*(f'class {label}' for label in range(len(classes))), 'all']
    lines = [f'class {label}: {name}' for label, name in enumerate(classes)]
    header = f'{"slides / patches":<16}' + ''.join(f'{title:>14}' for title in titles)
    lines += ['', header + ('   per slide: fewest, median, most' if parts else '')]
    for part in dict.fromkeys(row.part for row in rows):
        found = {row.name: row for row in rows if row.part == part}
        counts = [(found[name].slides, found[name].patches) for name in classes]
        counts.append((sum(slides for slides, _ in counts), sum(patches for _, patches in counts)))
        line = f'{part:<16}' + ''.join(f'{f"{s} / {p}":>14}' for s, p in counts)
        if parts:
            per_slide = np.unique(parts[part].slides, return_counts=True)[1]
            line += f'   {per_slide.min()}, {np.median(per_slide):g}, {per_slide.max()}'
        lines.append(line)
    return '\n'.join(lines)
