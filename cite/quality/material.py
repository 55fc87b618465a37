"""What filters ask for beside the rows: looks at pictures, features, a space of images and texts.

Each is had once, when it is first asked for. Filters see fewer and fewer rows, so what was computed for the
first of them serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
        example_features: Kind ('features', 'space') → features of pictures that are no rows of the
            collection. They are always computed: features that are there are of the collection, and a name
            that both have would be given its picture's. Default: none can be had.
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
        example_features: Mapping[str, Featuring] | None = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> None:
        self.collection = collection
        self.cache = cache
        self.workers = workers
        self.progress = progress
        self._featuring = {'features': features, 'space': space_features}
        self._encoding = dict(example_features or {})
        self._space = space
        self._tables: dict[str, FeatureTable] = {}
        self._examples: dict[Path, Collection] = {}
        self._example_looks: dict[Path, Looks] = {}

    @property
    def has_model(self) -> bool:
        """Whether features can be had."""
        return self._featuring['features'] is not None

    @property
    def has_space(self) -> bool:
        """Whether texts can be compared with images."""
        return self._space is not None

    def encodes_examples(self, kind: str = 'features') -> bool:
        """Whether features of pictures outside the collection can be had."""
        return kind in self._encoding

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
            featuring = self._featuring[kind]
            if featuring is None:
                raise ConfigError('features need a model: --model, --adapter or --features')
            self._tables[kind] = featuring(paths, once, self._place('collection', kind))
        table = self._tables[kind]
        found: NDArray[np.float32] = table.features[table.rows_of(names)]
        return found

    def record(self, kind: str = 'features') -> dict[str, object]:
        """What is said of the collection's features; {} before they were asked for."""
        return dict(self._tables[kind].record) if kind in self._tables else {}

    def examples(self, source: Path) -> Collection:
        """Rows of a folder or manifest of examples."""
        if source not in self._examples:
            self._examples[source] = read_collection(source)
        return self._examples[source]

    def example_files(self, source: Path) -> tuple[list[Path], list[str]]:
        """Pictures of a folder or manifest that are examples of something, and their names."""
        found = self.examples(source)
        names = list(dict.fromkeys(found.names))
        return [found.root / name for name in names], names

    def example_features(self, source: Path, purpose: str, kind: str = 'features') -> FeatureTable:
        """Features of the pictures of a folder or manifest, computed by the model.

        Raises:
            ConfigError: There is no model.
        """
        if kind not in self._encoding:
            raise ConfigError(
                f'{source}: features of examples need a model (--model or --adapter); --features holds '
                'those of the collection'
            )
        return self._encoding[kind](*self.example_files(source), self._place(purpose, kind))

    def example_looks(self, source: Path) -> Looks:
        """Looks at the pictures of a folder or manifest, in the order of `example_files`."""
        if source not in self._example_looks:
            self._example_looks[source] = self._look(*self.example_files(source))
        return self._example_looks[source]

    def _look(self, paths: Sequence[Path], names: Sequence[str]) -> Looks:
        return look_at(paths, names, self.cache, self.workers, self.progress)

    def _place(self, purpose: str, kind: str) -> Path:
        folder = Path() if self.cache is None else self.cache
        return folder / f'{purpose}_{kind}.npy'
