"""At most so many patches of each slide, where a few slides would fill a training set."""

from __future__ import annotations

import numpy as np

from cite.data.randomness import generator
from cite.data.table import PatchTable
from cite.errors import ConfigError

_PURPOSE = 203  # second in the key after the seed; splits and samplers have others


def cap_per_slide(table: PatchTable, most: int, seed: int = 0) -> PatchTable:
    """A table with at most `most` patches of each slide, rows in its order.

    The choice is a permutation of the slide's sorted file names, seeded by (seed, slide): it depends
    neither on the order of rows nor on other slides, and a smaller number chooses among a larger's.

    Raises:
        ConfigError: a number below 1.
    """
    if most < 1:
        raise ConfigError(f'patches per slide must be 1 or more, found {most}')
    order = np.lexsort((table.files, table.slides))
    slides, starts, counts = np.unique(table.slides[order], return_index=True, return_counts=True)
    keep = np.ones(len(table), dtype=bool)
    for slide, start, count in zip(slides.tolist(), starts, counts, strict=True):
        if count > most:
            left_out = generator(seed, _PURPOSE, slide).permutation(count)[most:]
            keep[order[start + left_out]] = False
    return table.subset(keep)
