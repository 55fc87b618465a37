"""Whole batches from a store, and their augmentation on the device of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import default_collate
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import FUNCTIONS, MODELS

from cite.data.batch_augment import BatchAugment
from cite.data.samplers import Draw
from cite.data.store import open_store, split_pipeline
from cite.data.table import PatchTable
from cite.data.transforms import PatchTransform
from cite.mm.sample import PatchBatch

# Purposes, second in the key after the seed; those of single patches are 101 to 104.
_TRAINING, _EVALUATION = 111, 112

AUGMENT = 'augment'
"""Under this key a batch carries what is yet to be done to its images."""


class StoredPatches:
    """The batches of a table whose patches lie in a store; opening it builds it where there is none.

    Args:
        table: The patches.
        pipeline: Deterministic steps, then augmentation.
        seed: Decides augmentation: of a `Draw` with its number, of a plain row with the row.

    Raises:
        ConfigError: A pipeline that cannot be taken apart like that.
        DataError: As `open_store`.
    """

    def __init__(self, table: PatchTable, pipeline: PatchTransform, seed: int) -> None:
        front, augmentation = split_pipeline(pipeline.steps)
        self.table, self.seed = table, seed
        self.augment = BatchAugment.of(augmentation)
        self.store = open_store(table, front)

    def batch(self, keys: Sequence[int | Draw]) -> dict[str, Any]:
        """uint8 (B, 3, S, S), samples, and the augmentation where there is any."""
        drawn = bool(keys) and isinstance(keys[0], Draw)
        pairs = [key if isinstance(key, Draw) else Draw(int(key), int(key)) for key in keys]
        rows = np.array([draw.index for draw in pairs], dtype=np.int64)
        numbers = np.array([draw.number for draw in pairs], dtype=np.int64)
        batch = {'inputs': self.store.batch(rows), 'data_samples': PatchBatch(self.table, rows)}
        if not self.augment.parts:
            return batch
        changed = self.augment.draw(numbers, self.seed, _TRAINING if drawn else _EVALUATION)
        return {**batch, AUGMENT: changed}


@FUNCTIONS.register_module()
def patch_collate(batch: Any) -> Any:
    """A batch that a store has made is left as it is."""
    return batch if isinstance(batch, dict) else default_collate(batch)


@MODELS.register_module()
class PatchPreprocessor(BaseDataPreprocessor):
    """To the device, and there the augmentation that the loader has drawn."""

    def forward(self, data: dict[str, Any], training: bool = False) -> Any:
        moved: Any = self.cast_data(data)
        augment = moved.pop(AUGMENT, None) if isinstance(moved, dict) else None
        if augment is not None:
            moved['inputs'] = augment(moved['inputs'])
        return moved
