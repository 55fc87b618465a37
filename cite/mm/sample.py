"""One patch on its way through mmengine. Field names are mmpretrain's, so its metrics read it too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

if TYPE_CHECKING:
    from cite.data.table import PatchTable


class PatchSample(BaseDataElement):
    """Label and prediction of a patch.

    Fields: `gt_label` (1,) int64; after prediction `pred_score` (classes,) float32 probabilities and
    `pred_label` (1,) int64. Meta: `img_path`, `slide`, `patient` (None where unknown).
    """

    gt_label: Tensor
    pred_score: Tensor
    pred_label: Tensor

    @classmethod
    def of(cls, label: int, **meta: Any) -> PatchSample:
        sample = cls(metainfo=meta)
        sample.gt_label = torch.tensor([label])
        return sample


class PatchBatch:
    """The samples of a batch, made one by one only where somebody asks for one.

    No `Sequence`, so that mmengine passes it on as it is.

    Args:
        table: The patches.
        rows: (B,) rows of the table.
    """

    def __init__(self, table: PatchTable, rows: np.ndarray) -> None:
        self.table = table
        self.rows = rows
        self.labels = torch.as_tensor(table.labels[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> PatchSample:
        return sample_of(self.table, int(self.rows[number]))

    def __iter__(self) -> Iterator[PatchSample]:
        return (self[number] for number in range(len(self)))


def sample_of(table: PatchTable, row: int) -> PatchSample:
    """The sample of a row of a table."""
    return PatchSample.of(
        int(table.labels[row]),
        img_path=str(table.path(row)),
        slide=str(table.slides[row]),
        patient=None if table.patients is None else str(table.patients[row]),
    )


def labels_of(samples: Sequence[PatchSample] | PatchBatch) -> Tensor:
    """Labels (B,) of the samples of a batch."""
    if isinstance(samples, PatchBatch):
        return samples.labels
    return torch.cat([sample.gt_label for sample in samples])
