"""A torch dataset over a patch table, in which each sample is a function of numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from PIL import Image
from torch.utils.data import Dataset

from cite.data.randomness import seeded
from cite.data.samplers import Draw
from cite.data.table import PatchTable
from cite.images import load_rgb

# Purposes, second in the key after the seed; the sampler's own are 1 to 5.
_TRAINING, _EVALUATION = 101, 102


class Item(TypedDict):
    """One sample: what the transform made of the image, its class index, its row in the table."""

    image: Any
    label: int
    index: int


class PatchDataset(Dataset[Item]):
    """Decoded and transformed patches.

    Args:
        table: the patches.
        transform: PIL image in RGB -> whatever the model takes, e.g. `PatchTransform`. It may draw
            from `random`, `numpy.random` or torch's CPU generator.
        seed: decides the draws of `transform`.

    A `Draw` (training) is transformed under (seed, draw number), whichever worker does it; a plain
    row (evaluation) under (seed, row), so that scores repeat even with a transform that draws.
    """

    def __init__(
        self, table: PatchTable, transform: Callable[[Image.Image], Any], seed: int = 0
    ) -> None:
        self.table, self.transform, self.seed = table, transform, seed

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: int | Draw) -> Item:
        """Sample of a row or draw.

        Raises:
            DataError: the file is missing or does not decode.
        """
        if isinstance(key, Draw):
            index, randomness = key.index, (self.seed, _TRAINING, key.number)
        else:
            index, randomness = int(key), (self.seed, _EVALUATION, int(key))
        image = load_rgb(self.table.path(index))
        with seeded(*randomness):
            transformed = self.transform(image)
        return Item(image=transformed, label=int(self.table.labels[index]), index=index)
