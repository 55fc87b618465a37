from __future__ import annotations

import pytest
import torch
from timm.layers import SwiGLUPacked

from cite.encoders.checkpoints import dinov2, find_family, load_strict, to_timm
from cite.encoders.files.state_file import unwrap

LEFTOVERS = ('mask_token', 'dino_head.*')
PLAIN = {'arch': 'vit_small_patch14_dinov2'}
REGISTERS = {'arch': 'vit_small_patch14_reg4_dinov2'}
GIANT = {
    'arch': 'vit_giant_patch14_reg4_dinov2',
    'mlp_ratio': 4.0,
    'mlp_layer': SwiGLUPacked,
    'act_layer': torch.nn.SiLU,
}


def official(model, swiglu: bool = False) -> dict[str, torch.Tensor]:
    """A timm model's weights in DINOv2's own names, such that both compute the same."""
    state = {'mask_token': torch.randn(1, 48)}
    for key, value in model.state_dict().items():
        if swiglu:
            key = key.replace('mlp.fc1', 'mlp.w12').replace('mlp.fc2', 'mlp.w3')
        state[key.replace('reg_token', 'register_tokens')] = value.clone()
    if model.no_embed_class:
        # DINOv2 adds a position to the class token; timm's models with registers do not
        position = torch.randn(1, 1, 48)
        state['cls_token'] = state['cls_token'] - position
        state['pos_embed'] = torch.cat([position, state['pos_embed']], dim=1)
    return state


@pytest.mark.parametrize('kwargs', [PLAIN, REGISTERS, GIANT], ids=['plain', 'registers', 'giant'])
@torch.no_grad()
def test_official_names(tiny_vit, images, kwargs):
    original = tiny_vit(**kwargs)
    state = official(original, swiglu=kwargs is GIANT)
    model = tiny_vit(**kwargs)
    torch.nn.init.zeros_(model.blocks[0].attn.qkv.weight)
    assert find_family(state) is dinov2
    load_strict(model, to_timm(state, model, leftovers=LEFTOVERS), 'tiny DINOv2')
    assert (model(images) - original(images)).abs().max() < 1e-5


@torch.no_grad()
def test_training_run_with_chunked_blocks(tiny_vit, images):
    original = tiny_vit(**PLAIN)
    teacher = {'dino_head.mlp.0.weight': torch.zeros(2, 48)}
    for key, value in official(original).items():
        for index in range(2):
            key = key.replace(f'blocks.{index}.', f'blocks.{index}.{index}.')
        teacher[f'backbone.{key}'] = value
    model = tiny_vit(**PLAIN)
    torch.nn.init.zeros_(model.norm.weight)
    state = unwrap({'student': {}, 'teacher': teacher, 'iteration': 7}, 'run')
    load_strict(model, to_timm(state, model, leftovers=LEFTOVERS), 'tiny DINOv2')
    assert torch.equal(model(images), original(images))


@torch.no_grad()
def test_other_image_size_is_interpolated_as_asked(tiny_vit):
    stored = official(tiny_vit(**PLAIN, img_size=98))
    model = tiny_vit(**PLAIN)
    flavours = {
        flavour: to_timm(stored, model, flavour)['pos_embed'] for flavour in ('dino', 'timm', 'mae')
    }
    assert {tuple(pos.shape) for pos in flavours.values()} == {(1, 5, 48)}
    assert not torch.allclose(flavours['dino'], flavours['timm'])
    assert not torch.allclose(flavours['dino'], flavours['mae'])
    assert to_timm(stored, model)['pos_embed'].shape == (1, 50, 48)
