"""`PatchTable`: which patches there are, and the class, slide and patient of each.

Columns are plain NumPy arrays: 200,000 rows are one block of memory per column, which workers share
after a fork and which pickles in one piece. A table is never changed; `subset` and `sorted` make
new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.errors import DataError


class ClassCount(NamedTuple):
    """How much there is of one class."""

    patches: int
    slides: int


@dataclass(frozen=True, eq=False)
class PatchTable:
    """Patches with their labels; row i is one patch.

    Args:
        files: paths, relative to `root` or absolute.
        labels: indices into `classes`, int64.
        slides: slide of each patch.
        classes: class names, in label order.
        root: folder that relative files are under.
        patients: patient of each patch, or None where patients are not known.
        source: where the table came from, for messages.

    Raises:
        DataError: columns of different lengths, labels that are not whole numbers, repeated class
            names. What a table *says* is checked by `check`.
    """

    files: NDArray[np.str_]
    labels: NDArray[np.int64]
    slides: NDArray[np.str_]
    classes: tuple[str, ...]
    root: Path
    patients: NDArray[np.str_] | None = None
    source: str = 'memory'

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.size and not np.issubdtype(labels.dtype, np.integer):
            raise DataError(f'{self.source}: labels must be whole numbers, found {labels.dtype}')
        columns: dict[str, NDArray] = {
            'files': _column(self.files, np.str_),
            'labels': _column(labels, np.int64),
            'slides': _column(self.slides, np.str_),
        }
        if self.patients is not None:
            columns['patients'] = _column(self.patients, np.str_)
        shapes = {name: column.shape for name, column in columns.items()}
        if len(set(shapes.values())) > 1 or columns['files'].ndim != 1:
            raise DataError(f'{self.source}: columns must be lists of one length, found {shapes}')
        classes = tuple(str(name) for name in self.classes)
        if len(set(classes)) < len(classes):
            raise DataError(f'{self.source}: class names must differ, found {list(classes)}')
        for name, value in {**columns, 'classes': classes, 'root': Path(self.root)}.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> Path:
        """Where the patch of row `index` lies."""
        return self.root / str(self.files[index])

    def subset(self, indices: ArrayLike) -> PatchTable:
        """The rows at `indices`, in that order; a boolean mask of all rows works too."""
        rows = np.asarray(indices)
        if rows.size == 0:
            rows = rows.astype(np.int64)
        return PatchTable(
            files=self.files[rows],
            labels=self.labels[rows],
            slides=self.slides[rows],
            classes=self.classes,
            root=self.root,
            patients=None if self.patients is None else self.patients[rows],
            source=self.source,
        )

    def sorted(self) -> PatchTable:
        """The rows in canonical order, by file name, so that nothing depends on how they came."""
        return self.subset(np.argsort(self.files, kind='stable'))

    def slides_of(self, name: int | str) -> tuple[str, ...]:
        """Sorted slides of a class, given by name or index."""
        if isinstance(name, str):
            if name not in self.classes:
                raise DataError(f'{self.source}: no class {name!r} among {list(self.classes)}')
            name = self.classes.index(name)
        return tuple(np.unique(self.slides[self.labels == name]).tolist())

    def counts(self) -> dict[str, ClassCount]:
        """Patches and slides of every class, in class order."""
        return {
            name: ClassCount(int((self.labels == index).sum()), len(self.slides_of(index)))
            for index, name in enumerate(self.classes)
        }

    def check(self, require_every_class: bool = True, one_class_per_slide: bool = True) -> None:
        """Raise `DataError` where the table contradicts itself.

        That is: a file listed twice, a label that is no class, a slide with two patients and, where
        asked for, a slide with two classes or a class without patches.

        Args:
            one_class_per_slide: False where labels are of patches: tumour and normal tissue of one slide.
        """
        names, counts = np.unique(self.files, return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f'{self.source}: files listed more than once: {some(names[counts > 1])}'
            )
        outside = (self.labels < 0) | (self.labels >= len(self.classes))
        if outside.any():
            raise DataError(
                f'{self.source}: labels must be 0 to {len(self.classes) - 1}, '
                f'found {some(np.unique(self.labels[outside]))}'
            )
        if require_every_class:
            present = set(self.labels.tolist())
            empty = [name for index, name in enumerate(self.classes) if index not in present]
            if empty:
                raise DataError(
                    f'{self.source}: classes without patches: {some(empty)}; '
                    'add patches or take the class out'
                )
        slides, slide = np.unique(self.slides, return_inverse=True)
        mixed = _with_two_values(slide, self.labels, len(slides))
        if len(mixed) and one_class_per_slide:
            held = [
                f'{slides[row]} ({" and ".join(self._classes_of(slides[row]))})'
                for row in mixed[:5]
            ]
            raise DataError(
                f'{self.source}: a slide has one class, but two or more are given for '
                f'{some(held, len(mixed))}'
            )
        if self.patients is not None:
            patient = np.unique(self.patients, return_inverse=True)[1]
            shared = _with_two_values(slide, patient, len(slides))
            if len(shared):
                raise DataError(
                    f'{self.source}: a slide has one patient, but two or more are given for '
                    f'{some(slides[shared])}'
                )

    def _classes_of(self, slide: str) -> list[str]:
        return [self.classes[label] for label in np.unique(self.labels[self.slides == slide])]

    def check_files(self) -> None:
        """Raise `DataError` naming the files that are not there."""
        missing = [str(file) for i, file in enumerate(self.files) if not self.path(i).is_file()]
        if missing:
            raise DataError(
                f'{self.source}: {len(missing)} of {len(self)} files are not under {self.root}: '
                f'{some(missing)}'
            )


def _column(values: ArrayLike, dtype: type) -> NDArray:
    column: NDArray = np.array(values, dtype=dtype)  # a copy: it is about to be locked
    column.setflags(write=False)
    return column


def _with_two_values(group: NDArray, value: NDArray, groups: int) -> NDArray[np.int64]:
    """Groups (0 to groups - 1) whose rows do not all hold the same value."""
    first = np.zeros(groups, dtype=value.dtype)
    first[group] = value
    return np.unique(group[first[group] != value])


def some(things: Sequence | NDArray | Iterable, total: int | None = None) -> str:
    """The first five of many things and how many there are, for messages."""
    listed = [str(thing) for thing in things]
    total = len(listed) if total is None else total
    more = f' ... ({total} in all)' if total > 5 else ''
    return ', '.join(listed[:5]) + more
