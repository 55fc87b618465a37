from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import find_family, load_strict, mmpretrain_vit, to_timm
from cite.encoders.files.state_file import unwrap

# timm → mmpretrain, by hand and in this order
NAMES = (
    ('blocks.', 'layers.'),
    ('norm_pre.', 'pre_norm.'),
    ('norm1.', 'ln1.'),
    ('norm2.', 'ln2.'),
    ('patch_embed.proj.', 'patch_embed.projection.'),
    ('mlp.fc1.', 'ffn.layers.0.0.'),
    ('mlp.fc2.', 'ffn.layers.1.'),
    ('ls1.gamma', 'attn.gamma1.weight'),
    ('ls2.gamma', 'ffn.gamma2.weight'),
)


def to_mmpretrain(key: str) -> str:
    for old, new in NAMES:
        key = key.replace(old, new)
    return f'ln1.{key.removeprefix("norm.")}' if key.startswith('norm.') else key


@pytest.mark.parametrize(
    'arch',
    ['vit_tiny_patch16_224', 'vit_base_patch16_clip_quickgelu_224', 'vit_small_patch14_dinov2'],
)
@torch.no_grad()
def test_classifier_checkpoint(tiny_vit, images, arch):
    original = tiny_vit(arch)
    inner = {f'backbone.{to_mmpretrain(k)}': v.clone() for k, v in original.state_dict().items()}
    inner['head.layers.head.weight'] = torch.zeros(3, 48)
    state = unwrap({'meta': {'epoch': 3}, 'state_dict': inner}, 'mmpretrain checkpoint')
    model = tiny_vit(arch)
    torch.nn.init.zeros_(model.blocks[1].mlp.fc2.weight)
    assert find_family(state) is mmpretrain_vit
    load_strict(model, to_timm(state, model, leftovers=('head.*',)), 'tiny ViT')
    assert torch.equal(model(images), original(images))
