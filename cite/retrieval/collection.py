"""What is searched: images with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.data.pairs import PairTable
from cite.data.table import PatchTable


@dataclass(frozen=True, eq=False)
class Collection:
    """Images in rows; all columns agree.

    Attributes:
        files: Their paths.
        names: What the source calls them.
        table: Labels, slides, patients; None where no labels are known.
        slides_known: Whether the slides of the table are known, or stand-ins.
        pairs: Captions and their groups; None where there are none.
    """

    files: Sequence[Path]
    names: Sequence[str]
    table: PatchTable | None = None
    slides_known: bool = False
    pairs: PairTable | None = None

    @classmethod
    def of_pairs(cls, pairs: PairTable) -> Collection:
        """Images with captions."""
        files = [pairs.path(row) for row in range(len(pairs))]
        return cls(files, pairs.files.tolist(), pairs=pairs)

    def __len__(self) -> int:
        return len(self.files)

    def kept(self, names: Sequence[str]) -> Collection:
        """Only the rows of these names: some images may have been left out."""
        if list(names) == list(self.names):
            return self
        place = {name: row for row, name in enumerate(self.names)}
        rows = [place[name] for name in names]
        return Collection(
            [self.files[row] for row in rows],
            list(names),
            None if self.table is None else self.table.subset(rows),
            self.slides_known,
            None if self.pairs is None else self.pairs.subset(rows),
        )

    @property
    def labels(self) -> list[str]:
        """Class of each image; [] where not known."""
        if self.table is None:
            return []
        return [self.table.classes[label] for label in self.table.labels.tolist()]

    @property
    def notes(self) -> list[str]:
        """What is told of each image besides: its class, or its caption; [] where nothing is known."""
        return self.labels if self.pairs is None else list(self.pairs.captions)

    @property
    def apart(self) -> NDArray[np.str_] | None:
        """Patient or slide of each image; None where neither is known."""
        if self.table is None:
            return None
        if self.table.patients is not None:
            return self.table.patients
        return self.table.slides if self.slides_known else None

    @property
    def texts(self) -> tuple[list[str], NDArray[np.int64]]:
        """Each caption once, and its group; nothing where there are no captions."""
        if self.pairs is None:
            return [], np.empty(0, np.int64)
        once = dict(zip(self.pairs.captions, self.pairs.groups.tolist(), strict=True))
        return list(once), np.array(list(once.values()), np.int64)
