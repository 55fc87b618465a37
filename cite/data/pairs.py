"""`PairTable`: patches with what is written of them, in the manner of `PatchTable`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.data.captions import group_captions, normalise_caption
from cite.data.splits import VAL
from cite.data.table import PatchTable, some
from cite.errors import DataError


@dataclass(frozen=True, eq=False)
class PairTable:
    """Image–caption pairs; row i is one patch with its caption.

    Args:
        files: paths, relative to `root` or absolute.
        captions: text of each patch, as written. Rows of one text share one string.
        slides: slide of each patch.
        root: folder that relative files are under.
        groups: int64; rows with the same number have the same text, and are positives of each other.
            None: `group_captions` of the captions.
        source: where the table came from, for messages.
        part: part of the split that the rows are of, such as `'train_all'`; None without a split.
        split_hash: hash of that split.

    Raises:
        DataError: columns that do not fit together. What else can be wrong, `check` finds.
    """

    files: NDArray[np.str_]
    captions: NDArray[np.object_]
    slides: NDArray[np.str_]
    root: Path
    groups: NDArray[np.int64] = None  # type: ignore[assignment]  # set below
    source: str = 'memory'
    part: str | None = None
    split_hash: str | None = None

    def __post_init__(self) -> None:
        once: dict[str, str] = {}
        captions = np.empty(len(self.captions), dtype=object)
        captions[:] = [once.setdefault(text, text) for text in map(str, self.captions)]
        groups = group_captions(captions) if self.groups is None else np.array(self.groups)
        if groups.size and not np.issubdtype(groups.dtype, np.integer):
            raise DataError(f'{self.source}: groups must be whole numbers, found {groups.dtype}')
        columns: dict[str, NDArray] = {
            'files': np.array(self.files, dtype=np.str_),
            'captions': captions,
            'slides': np.array(self.slides, dtype=np.str_),
            'groups': groups.astype(np.int64),
        }
        shapes = {name: column.shape for name, column in columns.items()}
        if len(set(shapes.values())) > 1 or columns['files'].ndim != 1:
            raise DataError(f'{self.source}: columns must be lists of one length, found {shapes}')
        for name, column in columns.items():
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        object.__setattr__(self, 'root', Path(self.root))

    def __len__(self) -> int:
        return len(self.files)

    @property
    def held_out(self) -> bool:
        """Whether the rows are the evaluation part of a split, which nothing may be trained on."""
        return self.part == VAL

    def path(self, index: int) -> Path:
        """Where the patch of row `index` lies."""
        return self.root / str(self.files[index])

    def subset(self, indices: ArrayLike) -> PairTable:
        """The rows at `indices`, in that order; a boolean mask works too. Groups keep their numbers."""
        rows = np.asarray(indices)
        if rows.size == 0:
            rows = rows.astype(np.int64)
        return replace(
            self,
            files=self.files[rows],
            captions=self.captions[rows],
            slides=self.slides[rows],
            groups=self.groups[rows],
        )

    def sorted(self) -> PairTable:
        """The rows in canonical order, by file name, so that nothing depends on how they came."""
        return self.subset(np.argsort(self.files, kind='stable'))

    def check(self) -> None:
        """Raise `DataError` where the table contradicts itself.

        That is: no rows, a file listed twice (its other caption would be held against it as a
        negative), a caption without words, or groups that are not those of the texts.
        """
        if not len(self):
            raise DataError(f'{self.source}: no pairs in it')
        names, counts = np.unique(self.files, return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f'{self.source}: files listed more than once: {some(names[counts > 1])}; '
                'a patch has one caption here: join them, or keep one'
            )
        empty = [
            file
            for file, text in zip(self.files, self.captions, strict=True)
            if not normalise_caption(text)
        ]
        if empty:
            raise DataError(f'{self.source}: captions without words, of {some(empty)}')
        texts = group_captions(self.captions)
        pairs = set(zip(texts.tolist(), self.groups.tolist(), strict=True))
        if not len(pairs) == len(set(texts.tolist())) == len(set(self.groups.tolist())):
            raise DataError(
                f'{self.source}: groups must be those of the texts, one number for each text; '
                'leave groups out and they are found'
            )

    def check_files(self) -> None:
        """Raise `DataError` naming the files that are not there."""
        self.patches().check_files()

    def patches(self) -> PatchTable:
        """The same rows as a patch table, labelled by group, for all that asks for one."""
        return PatchTable(self.files, self.groups, self.slides, (), self.root, source=self.source)
