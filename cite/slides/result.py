"""What a model says of a slide: of each tile, and of the whole with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.evaluation.aggregation import aggregate
from cite.slides.readers import SUFFIXES
from cite.slides.readers.base import Pixels
from cite.slides.tiling import Grid, starts
from cite.slides.tissue import Tissue

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SlideResult:
    """A slide as a model sees it.

    Attributes:
        path: Of the slide.
        classes: C class names.
        grid: Tiles that had enough tissue, M of them.
        rows: (N,) int64: which of them were predicted; the others are blurred or damaged.
        scores: (N, C) float32 probabilities.
        sharpness: (M,) float32; NaN where a tile is damaged.
        damaged: Number of a tile → why it could not be read.
        blurred: (K,) int64: tiles that are too blurred to be shown to the model.
        mpp: Micrometres per pixel of level 0.
        size: Of level 0, (width, height).
        picture: The whole slide at a lower resolution.
        tissue: Where there is tissue.
        aggregation: How tiles are put together, see `cite.evaluation.aggregation`.
        top_k: For 'topk'.
        record: Model, adapter, settings, versions: plain values.
    """

    path: Path
    classes: tuple[str, ...]
    grid: Grid
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    damaged: dict[int, str]
    blurred: NDArray[np.int64]
    mpp: tuple[float, float]
    size: tuple[int, int]
    picture: Pixels
    tissue: Tissue
    aggregation: str = 'mean'
    top_k: int = 10
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the slide: its file name without the suffix, if that is one of slides: 'a.ome.tif' is 'a', and
        a folder 'a.1' keeps its name."""
        name = self.path.name or self.path.resolve().name
        for suffix in (*SUFFIXES, '.ome'):
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
        return name

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(C,) of the slide; NaN where no tile was predicted."""
        if not len(self.rows):
            return np.full(len(self.classes), np.nan)
        groups = np.zeros(len(self.rows), np.int64)
        return aggregate(self.scores, groups, self.aggregation, self.top_k)[0]

    @property
    def label(self) -> str | None:
        """The most probable class; None where no tile was predicted."""
        return self.classes[int(self.probabilities.argmax())] if len(self.rows) else None

    @property
    def table(self) -> pd.DataFrame:
        """A row per predicted tile: x, y, width, height (level 0), tissue, sharpness, label, and a
        probability per class."""
        import pandas as pd

        rows = self.rows
        columns: dict[str, Any] = {
            'x': self.grid.x[rows],
            'y': self.grid.y[rows],
            'width': np.full(len(rows), round(self.grid.side[0]), np.int64),
            'height': np.full(len(rows), round(self.grid.side[1]), np.int64),
            'tissue': self.grid.tissue[rows],
            'sharpness': self.sharpness[rows],
            'label': np.array(self.classes, dtype=object)[self.scores.argmax(1)],
        }
        columns.update({f'p_{name}': self.scores[:, at] for at, name in enumerate(self.classes)})
        return pd.DataFrame(columns)

    def map_of(self, name: str) -> NDArray[np.float32]:
        """(rows, columns) of the whole grid: the probability of a class, NaN where no tile was predicted.

        The value at (r, c) is of the tile whose upper left corner is at (c, r) times `steps`, rounded to
        pixels of level 0.

        Args:
            name: Of the class.

        Raises:
            ConfigError: No class of that name.
        """
        if name not in self.classes:
            raise ConfigError(f'no class {name!r}; there are {", ".join(self.classes)}')
        columns, rows = starts(self.size, self.grid.side, self.grid.spec)
        values = np.full((len(rows), len(columns)), np.nan, np.float32)
        down = np.searchsorted(rows, self.grid.y[self.rows])
        across = np.searchsorted(columns, self.grid.x[self.rows])
        values[down, across] = self.scores[:, self.classes.index(name)]
        return values

    @property
    def steps(self) -> tuple[float, float]:
        """Pixels of level 0 from one tile to the next, (x, y)."""
        part = 1 - self.grid.spec.overlap / self.grid.spec.size
        return self.grid.side[0] * part, self.grid.side[1] * part
