"""MedCLIP's file, whose image half is a Swin transformer of transformers or torchvision's ResNet-50."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import hf_swin
from cite.encoders.checkpoints.renaming import drop, rename

if TYPE_CHECKING:
    from torch import nn

LAYOUT = 'MedCLIP'

_NOT_VISUAL = ('text_model.', 'logit_scale')
_RENAMES = (
    (r'^vision_model\.projection_head\.', 'head.fc.'),
    (r'^vision_model\.model\.', ''),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a MedCLIP, whole or its image half."""
    return any(key.startswith('vision_model.model.') for key in state)


def convert(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """To timm's names; a ResNet's are the same in torchvision."""
    visual = rename(drop(state, _NOT_VISUAL), _RENAMES)
    return hf_swin.convert(visual, model) if hf_swin.matches(visual) else visual  # type: ignore[arg-type]
