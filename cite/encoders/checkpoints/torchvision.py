"""torchvision's files: timm's names, but for those of DenseNet, and counters that old files lack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cite.encoders.checkpoints.renaming import rename

if TYPE_CHECKING:
    from torch import nn

LAYOUT = 'torchvision ResNet or DenseNet'

_COUNTER = 'num_batches_tracked'
_RENAMES = ((r'(\.denselayer\d+\.(?:norm|conv))\.([12])\.', r'\1\2.'),)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a ResNet or DenseNet in a layout that is not timm's own, too."""
    dense = 'features.denseblock1.denselayer1.norm.1.weight' in state
    return dense or (
        {'bn1.running_mean', 'layer1.0.conv1.weight'} <= state.keys()
        and not any(key.endswith(_COUNTER) for key in state)
    )


def convert(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """To timm's names. A file that counts no batches gets counters of 0, which nothing computes with."""
    named = rename(state, _RENAMES)
    if any(key.endswith(_COUNTER) for key in named):
        return named
    counters = {
        key: torch.tensor(0)
        for key in model.state_dict()
        if key.endswith(_COUNTER) and key.replace(_COUNTER, 'running_mean') in named
    }
    return named | counters
