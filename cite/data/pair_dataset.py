"""A torch dataset over a pair table: what `PatchDataset` does, with captions in place of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from cite.data.captions import caption_group
from cite.data.dataset import PatchDataset
from cite.data.pairs import PairTable
from cite.data.randomness import generator
from cite.data.samplers import Draw

# purpose of the draw of a caption's words; see `cite.data.shards` for its neighbours
_CAPTION = 304

Reword = Callable[[np.random.Generator, str], str]
"""A caption's augmentation, such as `cite.data.captions.sample_sentences`."""


class PairItem(TypedDict):
    """One pair: the transformed image, its caption as drawn, the numbers of the whole caption and of the
    drawn one, its row in the table."""

    image: Any
    caption: str
    group: int
    drawn: int
    index: int


class PairDataset(Dataset[PairItem]):
    """Decoded and transformed patches with their captions.

    Args:
        table: the pairs.
        transform: PIL image in RGB -> uint8 tensor 3 × H × W, e.g. `PatchTransform`.
        seed: decides the draws of `transform` and `reword`.
        reword: augments captions. What it made of one has a number of its own, `drawn`; without it, that
            of the whole caption.

    Randomness is that of `PatchDataset`: a `Draw` is transformed under (seed, draw number), a plain row
    under (seed, row), whichever worker does it.
    """

    def __init__(
        self,
        table: PairTable,
        transform: Callable[[Image.Image], Any],
        seed: int = 0,
        reword: Reword | None = None,
    ) -> None:
        self.table = table
        self.seed = seed
        self.reword = reword
        self._images = PatchDataset(table.patches(), transform, seed)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: int | Draw) -> PairItem:
        """Pair of a row or draw.

        Raises:
            DataError: the file is missing or does not decode.
        """
        item = self._images[key]
        caption, group = self.table.captions[item['index']], item['label']
        if self.reword is not None:
            number = key.number if isinstance(key, Draw) else key
            caption = self.reword(generator(self.seed, _CAPTION, number), caption)
        return PairItem(
            image=item['image'],
            caption=caption,
            group=group,
            drawn=group if self.reword is None else caption_group(caption),
            index=item['index'],
        )
