"""One patch on its way through mmengine. Field names are mmpretrain's, so its metrics read it too."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


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
