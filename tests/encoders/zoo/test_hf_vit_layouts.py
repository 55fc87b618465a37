"""Files in transformers' names, against transformers' own classes, which read them from the same folder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from layouts import synthetic
from published import (
    check_full_size,
    check_same,
    feature,
    normalised,
    random_images,
    short,
    shorten,
    small_enough,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cite.encoders.checkpoints import find_family, hf_vit, load_strict, to_timm
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError

LAYOUTS = {
    'hf_dinov2_small': 'dinov2-vit-s14',
    'hf_dinov2_base': 'dinov2-vit-b14',
    'hf_dinov2_large': 'dinov2-vit-l14',
    'hf_dinov2_giant': 'dinov2-vit-g14',
    'hibou_b_hf': 'hibou-b',
    'hibou_l_hf': 'hibou-l',
    'midnight_12k_hf': 'midnight-12k',
    'hf_vit_base_patch16_224_in21k': 'vit-b16-in21k-google',
    'hf_vit_mae_base': 'mae-vit-b16',
    'phikon_hf': 'phikon',
}

SMALL = {'hidden_size': 384, 'num_attention_heads': 6, 'num_hidden_layers': 12}
BASE = {'hidden_size': 768, 'num_attention_heads': 12, 'num_hidden_layers': 12}
LARGE = {'hidden_size': 1024, 'num_attention_heads': 16, 'num_hidden_layers': 24}
GIANT = {'hidden_size': 1536, 'num_attention_heads': 24, 'num_hidden_layers': 40}
GATED = {'use_swiglu_ffn': True}
PATCH_14 = {'patch_size': 14, 'image_size': 518}
AT_224 = {'image_size': 224}
# class of transformers and the config.json beside the file
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    'hf_dinov2_small': ('Dinov2', {**SMALL, **PATCH_14}),
    'hf_dinov2_base': ('Dinov2', {**BASE, **PATCH_14}),
    'hf_dinov2_large': ('Dinov2', {**LARGE, **PATCH_14}),
    'hf_dinov2_giant': ('Dinov2', {**GIANT, **PATCH_14, **GATED}),
    'hibou_b_hf': ('Dinov2WithRegisters', {**BASE, **PATCH_14, **GATED, **AT_224}),
    'hibou_l_hf': ('Dinov2WithRegisters', {**LARGE, **PATCH_14, **GATED, **AT_224}),
    'midnight_12k_hf': ('Dinov2', {**GIANT, **PATCH_14, **GATED, **AT_224}),
    'hf_vit_base_patch16_224_in21k': ('ViT', {}),
    # MAE's own epsilon, which the zoo's row has; transformers writes 1e-12 by default
    'hf_vit_mae_base': ('ViT', {'layer_norm_eps': 1e-6}),
    'phikon_hf': ('ViT', {}),
}
STORED_AT = {'hf_dinov2_small': 518, 'hf_dinov2_base': 518, 'hf_dinov2_large': 518}
STORED_AT['hf_dinov2_giant'] = 518
"""transformers resizes position embeddings in another way than DINOv2's authors."""


def original(folder, name: str, depth: int | None) -> nn.Module:
    """The class of transformers with the weights of that folder."""
    import transformers

    kind, config = CONFIGS[name]
    if depth is not None:
        config = {**config, 'num_hidden_layers': depth}
    made = getattr(transformers, f'{kind}Config')(**config)
    made.save_pretrained(folder)
    more = {'add_pooling_layer': False} if kind == 'ViT' else {}
    model, found = getattr(transformers, f'{kind}Model').from_pretrained(
        folder, output_loading_info=True, **more
    )
    assert not found['missing_keys']
    assert not found['mismatched_keys']
    return model.eval()


def check(name: str, depth: int | None, tmp_path, monkeypatch) -> None:
    model = LAYOUTS[name]
    shorten(monkeypatch, model, depth)
    images = random_images(STORED_AT.get(name, 224))
    save_file(synthetic(name, depth), tmp_path / 'model.safetensors', {'format': 'pt'})
    with torch.no_grad():
        tokens = original(tmp_path, name, depth)(normalised(model, images)).last_hidden_state
    expected = tokens[:, 0]
    if model == 'midnight-12k':
        expected = torch.cat([expected, tokens[:, 1:].mean(1)], dim=-1)
    check_same(feature(model, tmp_path / 'model.safetensors', images), expected)


@pytest.mark.parametrize('name', LAYOUTS)
def test_full_size_fits_and_damage_is_refused(name):
    check_full_size(name, LAYOUTS[name], named='qkv')


@pytest.mark.parametrize('name', LAYOUTS)
def test_same_feature_as_transformers(name, tmp_path, monkeypatch):
    check(name, short(name), tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize('name', [name for name in LAYOUTS if small_enough(name)])
def test_same_feature_in_full_depth(name, tmp_path, monkeypatch):
    check(name, None, tmp_path, monkeypatch)


def randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    for value in model.parameters():
        nn.init.normal_(value, std=0.05)
    return model.eval()


def test_phikon_v2_is_transformers_dinov2_with_patches_of_16(tmp_path, monkeypatch):
    from transformers import Dinov2Config, Dinov2Model

    config = {**LARGE, 'num_hidden_layers': 2, 'patch_size': 16, 'image_size': 224}
    model = randomised(Dinov2Model(Dinov2Config(**config)))
    model.save_pretrained(tmp_path)
    shorten(monkeypatch, 'phikon-v2', 2)
    images = random_images()
    with torch.no_grad():
        expected = model(normalised('phikon-v2', images)).last_hidden_state[:, 0]
    check_same(feature('phikon-v2', tmp_path / 'model.safetensors', images), expected)


TINY = {'hidden_size': 768, 'num_attention_heads': 12, 'num_hidden_layers': 2}


@pytest.mark.parametrize('names', ['saved', 'in memory'])
@pytest.mark.parametrize('kind', ['ViTModel', 'ViTForImageClassification', 'ViTMAEForPreTraining'])
def test_old_and_new_names_and_what_stands_beside(kind, names, tmp_path, monkeypatch):
    import transformers

    config = transformers.ViTMAEConfig if 'MAE' in kind else transformers.ViTConfig
    model = randomised(getattr(transformers, kind)(config(**TINY)))
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    if names == 'saved':  # transformers writes the names of its version 4
        model.save_pretrained(tmp_path)
        state = load_file(tmp_path / 'model.safetensors')
        assert any('attention.attention.query' in key for key in state)
    else:
        assert any('attention.q_proj' in key for key in state)
    shorten(monkeypatch, 'vit-b16-in21k-google', 2)
    card = CARDS['vit-b16-in21k-google']
    beside = {'ViTModel': (), 'ViTForImageClassification': ('classifier.*',)}.get(
        kind, ('decoder.*',)
    )
    trunk = random_trunk(card, 224).eval()
    assert find_family(state) is hf_vit
    load_strict(trunk, to_timm(state, trunk, 'mae', (*card.leftovers, *beside)), kind)
    images = random_images()
    plain = transformers.ViTModel(transformers.ViTConfig(**TINY), add_pooling_layer=False).eval()
    inner = {k.removeprefix('vit.'): v for k, v in model.state_dict().items()}
    own = {k: v for k, v in inner.items() if not k.startswith(('pooler', 'classifier', 'decoder'))}
    plain.load_state_dict(own)
    with torch.no_grad():
        check_same(trunk(images), plain(images).last_hidden_state[:, 0])


# what norms divide by: no shape shows it, and it moves features by more than counts as the same
EPSILON = {
    'vit-b16-in21k-google': 1e-12,
    'phikon': 1e-12,
    'phikon-v2': 1e-6,
    'mae-vit-b16': 1e-6,
    'kaiko-vit-s16': 1e-6,
    'clip-vit-b32': 1e-5,
}


@pytest.mark.parametrize('model', EPSILON)
def test_epsilon_of_the_authors_library(model):
    with torch.device('meta'):
        trunk = random_trunk(CARDS[model], CARDS[model].image_size)
    norms = [module for module in trunk.modules() if isinstance(module, nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {EPSILON[model]}


def test_a_wrong_prefix_is_refused(tmp_path):
    state: dict[str, Tensor] = {f'beit.{k}': v for k, v in synthetic('phikon_hf', 1).items()}
    save_file(state, tmp_path / 'model.safetensors')
    with pytest.raises(CheckpointError, match='unknown checkpoint layout'):
        load_vision('phikon', weights=tmp_path / 'model.safetensors')
