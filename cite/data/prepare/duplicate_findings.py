"""What duplicates mean for a split: harmless within a slide, a leak between the sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from cite.data.splits import VAL
from cite.data.table import PatchTable, some
from cite.errors import DataError

Groups = Sequence[tuple[int, ...]]


def refuse_two_classes(table: PatchTable, groups: Groups) -> None:
    """Raise `DataError` where one picture has two classes: one of its labels is wrong."""
    torn = [
        _pair(table, group, table.labels)
        for group in groups
        if len({table.labels[row] for row in group}) > 1
    ]
    if torn:
        raise DataError(
            f'{table.source}: the same picture (up to turning and mirroring) under two classes, '
            f'{some(torn)}; correct the labels or remove these files'
        )


@dataclass(frozen=True)
class Findings:
    """Groups of patches that show the same picture, by what they have in common.

    Attributes:
        within: patches more than one of their picture, in one slide.
        across_slides: 'file and file' of groups that join slides on one side.
        across_sides: likewise for training and evaluation.
    """

    within: int
    across_slides: tuple[str, ...]
    across_sides: tuple[str, ...]

    def lines(self) -> list[str]:
        """What to tell, a line each; none where there is nothing."""
        found = []
        if self.within:
            found.append(f'duplicates: {self.within} patches repeat another of their slide')
        for what, pairs in (
            ('different slides', self.across_slides),
            ('training and evaluation', self.across_sides),
        ):
            if pairs:
                found.append(f'warning: the same picture in {what} ({len(pairs)}): {some(pairs)}')
        return found


def find_shared(table: PatchTable, groups: Groups, parts: Mapping[str, PatchTable]) -> Findings:
    """Sort groups by whether they join slides, and sides of a split.

    Args:
        table: what the rows of `groups` refer to.
        groups: see `cite.data.prepare.duplicates.duplicate_groups`.
        parts: of the split; `train_all` is among them.
    """
    sides = {VAL: set(parts[VAL].slides.tolist()), 'train': set(parts['train_all'].slides.tolist())}
    within, slides, torn = 0, [], []
    for group in groups:
        names = [str(table.slides[row]) for row in group]
        within += len(names) - len(set(names))
        if all(side.intersection(names) for side in sides.values()):
            held_out = next(row for row in group if str(table.slides[row]) in sides[VAL])
            training = next(row for row in group if str(table.slides[row]) in sides['train'])
            torn.append(f'{table.files[training]} and {table.files[held_out]}')
        elif len(set(names)) > 1:
            slides.append(_pair(table, group, table.slides))
    return Findings(within, tuple(slides), tuple(torn))


def _pair(table: PatchTable, group: tuple[int, ...], column: NDArray) -> str:
    """The first file of a group, and the first that differs from it in a column."""
    first = group[0]
    other = next(row for row in group if column[row] != column[first])
    return f'{table.files[first]} and {table.files[other]}'
