"""Which towers attend by PyTorch's fused attention, and which by products and a softmax of their own."""

from __future__ import annotations

import pytest
import torch
from reduced import shallow, small_trunk
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from cite.encoders.towers.tower import VisionTower
from cite.encoders.zoo import CARDS

FUSED = {
    'clip-vit-b16': 2,
    'dinov2-vit-s14-reg': 2,
    'conch': 2,  # and its pooler, within PyTorch's MultiheadAttention
    'keep': 2,
    'musk': 2,
    'hipt-4k': 3,
    'internimage-b': 0,
    'resnet50-in1k': 0,
    # timm does not fuse windows by default: PyTorch's kernels for biased scores are slower on CPUs
    'ctranspath': 0,
}


class Calls(TorchFunctionMode):
    fused = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.fused += func is F.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('name', FUSED)
def test_attention_is_fused(name):
    card = shallow(CARDS[name])
    tower = VisionTower(card, small_trunk(card))
    attentions = [m for m in tower.trunk.modules() if getattr(m, 'fused_attn', False)]
    with Calls() as calls, torch.no_grad():
        tower(torch.zeros(1, 3, tower.image_size, tower.image_size))
    assert calls.fused == FUSED[name] == len(attentions)
