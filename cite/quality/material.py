"""What filters ask for beside the rows: looks at pictures, features, a space of images and texts.

Each is had once, when it is first asked for. Filters see fewer and fewer rows, so what was computed for the
first of them serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.quality.collection import Collection, read_collection
from cite.quality.looks import Looks, look_at

if TYPE_CHECKING:
    from cite.inference.feature_table import FeatureTable
    from cite.serving.space import Space

Featuring = Callable[[Sequence[Path], Sequence[str], Path], 'FeatureTable']
"""Files, their names, where to keep them → features."""


class Material:
    """A collection, and how to get what its filters need.

    Args:
        collection: The rows.
        cache: Folder for what is kept between runs; None: nothing is.
        features: Features of a model; None where no model was given.
        space: The space of a pair; None where no pair was given.
        space_features: Image features in that space.
        workers: Threads that decode; default: one per core.
        progress: Show bars where something takes longer than two seconds.
    """

    def __init__(
        self,
        collection: Collection,
        cache: Path | None = None,
        features: Featuring | None = None,
        space: Callable[[], Space] | None = None,
        space_features: Featuring | None = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> None:
        self.collection = collection
        self.cache = cache
        self.workers = workers
        self.progress = progress
        self._featuring = {'features': features, 'space': space_features}
        self._space = space
        self._tables: dict[str, FeatureTable] = {}

    @property
    def has_model(self) -> bool:
        """Whether features can be had."""
        return self._featuring['features'] is not None

    @property
    def has_space(self) -> bool:
        """Whether texts can be compared with images."""
        return self._space is not None

    @cached_property
    def looks(self) -> Looks:
        """Of every row; a file that is listed twice is decoded once."""
        names = list(dict.fromkeys(self.collection.names))
        found = self._look([self.collection.root / name for name in names], names)
        place = {name: row for row, name in enumerate(names)}
        return found.subset(np.array([place[name] for name in self.collection.names], np.int64))

    @cached_property
    def space(self) -> Space:
        """The space of the pair."""
        if self._space is None:
            raise ConfigError('texts need a pair of a vision and a text tower: --model plip')
        return self._space()

    def features(self, rows: NDArray, kind: str = 'features') -> NDArray[np.float32]:
        """Features (len(rows), D) of rows of the collection, as the model gives them.

        Args:
            kind: 'features' of the model, or 'space': in the space of the pair.
        """
        names = [self.collection.names[int(row)] for row in rows]
        if kind not in self._tables:
            once = list(dict.fromkeys(names))
            paths = [self.collection.root / name for name in once]
            self._tables[kind] = self._feature_table(paths, once, 'collection', kind)
        table = self._tables[kind]
        found: NDArray[np.float32] = table.features[table.rows_of(names)]
        return found

    def record(self, kind: str = 'features') -> dict[str, object]:
        """What is said of the collection's features; {} before they were asked for."""
        return dict(self._tables[kind].record) if kind in self._tables else {}

    def example_files(self, source: Path) -> tuple[list[Path], list[str]]:
        """Pictures of a folder or manifest that are examples of something, and their names."""
        found = read_collection(source)
        names = list(dict.fromkeys(found.names))
        return [found.root / name for name in names], names

    def example_features(self, source: Path, purpose: str, kind: str = 'features') -> NDArray:
        """Features (N, D) of the pictures of a folder or manifest."""
        paths, names = self.example_files(source)
        return self._feature_table(paths, names, purpose, kind).features

    def example_looks(self, source: Path) -> Looks:
        """Looks at the pictures of a folder or manifest; those that cannot be used are left out."""
        found = self._look(*self.example_files(source))
        return found.subset(np.flatnonzero([not reason for reason in found.reasons]))

    def _look(self, paths: Sequence[Path], names: Sequence[str]) -> Looks:
        return look_at(paths, names, self.cache, self.workers, self.progress)

    def _feature_table(
        self, paths: Sequence[Path], names: Sequence[str], purpose: str, kind: str
    ) -> FeatureTable:
        featuring = self._featuring[kind]
        if featuring is None:
            raise ConfigError('features need a model: --model, --adapter or --features')
        folder = Path() if self.cache is None else self.cache
        return featuring(paths, names, folder / f'{purpose}_{kind}.npy')
