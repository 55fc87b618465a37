"""MoCo v3's training file and mmpretrain's names, against mmpretrain's own classes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from layouts import synthetic
from published import (
    check_full_size,
    check_same,
    feature,
    normalised,
    random_images,
    shorten,
    write,
)
from torch import Tensor, nn

from cite.encoders.checkpoints import find_family, moco_v3
from cite.encoders.files.state_file import read_state
from cite.encoders.zoo import CARDS

LAYOUTS = {
    'mmpretrain_vit_base_p16': 'vit-b16-in21k',
    'transpath_mocov3_vit_small': 'transpath-mocov3-s16',
}
TRANSPATH = 'transpath_mocov3_vit_small'
# what the published CITE code renames in files of MoCo v3, in this order
RENAMES = (
    ('patch_embed.proj', 'patch_embed.projection'),
    ('blocks', 'layers'),
    ('norm1', 'ln1'),
    ('norm2', 'ln2'),
    ('norm', 'ln1'),
    ('mlp.fc1', 'ffn.layers.0.0'),
    ('mlp.fc2', 'ffn.layers.1'),
)


def by_cites_tool(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A MoCo v3 file as the published CITE code converts it: mmpretrain's names behind 'backbone.'."""
    converted = {}
    for key, value in state.items():
        if key.startswith('module.base_encoder.') and '.head' not in key:
            new = key.removeprefix('module.base_encoder.')
            for old_part, new_part in RENAMES:
                new = new.replace(old_part, new_part)
            converted[f'backbone.{new}'] = value
    return converted


def mmpretrain_feature(kind: str, width: int, heads: int, state: dict[str, Tensor], images: Tensor):
    """The class token of mmpretrain's model with that state dict, prefix 'backbone.'."""
    models = pytest.importorskip('mmpretrain.models')
    depth = sum(key.endswith('.attn.qkv.weight') for key in state)
    arch = {'embed_dims': width, 'num_heads': heads, 'num_layers': depth}
    model = getattr(models, kind)(arch={**arch, 'feedforward_channels': 4 * width}, patch_size=16)
    model.load_state_dict({k.removeprefix('backbone.'): v for k, v in state.items()})
    # its backbones return None from eval()
    nn.Module.train(model, False)
    with torch.no_grad():
        return model(images)[0]


@pytest.mark.parametrize('name', LAYOUTS)
def test_full_size_fits_and_damage_is_refused(name):
    check_full_size(name, LAYOUTS[name])


@pytest.mark.parametrize('depth', [2, pytest.param(None, marks=pytest.mark.slow)])
def test_mmpretrains_vit(depth, tmp_path, monkeypatch):
    name, model = 'mmpretrain_vit_base_p16', 'vit-b16-in21k'
    shorten(monkeypatch, model, depth)
    state, images = synthetic(name, depth), random_images()
    found = feature(model, write(tmp_path, name, state), images)
    pixels = normalised(model, images)
    check_same(found, mmpretrain_feature('VisionTransformer', 768, 12, state, pixels))


@pytest.mark.parametrize('depth', [2, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize('made_by', ['training', 'cite'])
def test_transpaths_moco_v3(made_by, depth, tmp_path, monkeypatch):
    model = LAYOUTS[TRANSPATH]
    shorten(monkeypatch, model, depth)
    state, images = synthetic(TRANSPATH, depth), random_images()
    converted = by_cites_tool(state)
    if made_by == 'training':
        path = write(tmp_path, TRANSPATH, state)
        assert find_family(read_state(path)) is moco_v3
    else:
        path = tmp_path / 'converted.pth'  # the tool saves no container
        torch.save(converted, path)
    pixels = normalised(model, images)
    expected = mmpretrain_feature('MoCoV3ViT', 384, 12, converted, pixels)
    check_same(feature(model, path, images), expected)


def test_the_momentum_encoder_and_the_heads_of_training_are_not_taken(tmp_path, monkeypatch):
    model = LAYOUTS[TRANSPATH]
    shorten(monkeypatch, model, 2)
    state, images = synthetic(TRANSPATH, 2), random_images()
    expected = feature(model, write(tmp_path, TRANSPATH, state), images)
    for key in state:
        if 'momentum_encoder' in key:
            state[key] = torch.full_like(state[key], 7.0)
    state['module.base_encoder.head.0.weight'] = torch.zeros(4, 384)
    state['module.predictor.0.weight'] = torch.zeros(4, 4)
    assert torch.equal(feature(model, write(tmp_path, TRANSPATH, state), images), expected)


def test_the_number_of_heads_shows_in_no_shape_but_in_the_feature(tmp_path, monkeypatch):
    model = LAYOUTS[TRANSPATH]
    assert CARDS[model].arch_kwargs['num_heads'] == 12
    shorten(monkeypatch, model, 2)
    path = write(tmp_path, TRANSPATH, synthetic(TRANSPATH, 2))
    images = random_images()
    with_12 = feature(model, path, images)
    six = {**CARDS[model].arch_kwargs, 'num_heads': 6}
    monkeypatch.setitem(CARDS, model, dataclasses.replace(CARDS[model], arch_kwargs=six))
    assert (feature(model, path, images) - with_12).abs().max() > 1e-2


def test_what_mmpretrain_calls_small_is_not_small():
    pytest.importorskip('mmpretrain')
    from mmpretrain.models import MoCoV3ViT, VisionTransformer

    def sizes(kind: type, arch: str) -> tuple[int, int, int]:
        zoo = kind.arch_zoo
        return tuple(zoo[arch][key] for key in ('embed_dims', 'num_layers', 'num_heads'))

    assert sizes(VisionTransformer, 'small') == (768, 8, 8)
    assert sizes(VisionTransformer, 'deit-small') == (384, 12, 6)
    assert sizes(MoCoV3ViT, 'mocov3-small') == (384, 12, 12)
