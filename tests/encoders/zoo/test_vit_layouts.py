"""Files in timm's names, against timm's models built as their authors say and loaded directly."""

from __future__ import annotations

from typing import Any

import pytest
import timm
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
    write,
)
from timm.layers import SwiGLUPacked
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError

LAYOUTS = {
    'gpfm': 'gpfm',
    'h0_mini': 'h0-mini',
    'h_optimus_0': 'h-optimus-0',
    'kaiko_vitb16': 'kaiko-vit-b16',
    'kaiko_vitb8': 'kaiko-vit-b8',
    'kaiko_vitl14_reg4': 'kaiko-vit-l14',
    'kaiko_vits16': 'kaiko-vit-s16',
    'lunit_dino_vits16': 'lunit-dino-s16',
    'mae_pretrain_vit_base': 'mae-vit-b16',
    'mae_pretrain_vit_large': 'mae-vit-l16',
    'prov_gigapath_tile': 'prov-gigapath',
    'retfound_mae': 'retfound-cfp',
    'timm_vit_base_patch14_dinov2': 'dinov2-vit-b14',
    'timm_vit_base_patch14_reg4_dinov2': 'dinov2-vit-b14-reg',
    'timm_vit_giant_patch14_dinov2': 'dinov2-vit-g14',
    'timm_vit_giant_patch14_reg4_dinov2': 'dinov2-vit-g14-reg',
    'timm_vit_large_patch14_dinov2': 'dinov2-vit-l14',
    'timm_vit_large_patch14_reg4_dinov2': 'dinov2-vit-l14-reg',
    'timm_vit_small_patch14_dinov2': 'dinov2-vit-s14',
    'timm_vit_small_patch14_reg4_dinov2': 'dinov2-vit-s14-reg',
    'uni2_h': 'uni2-h',
    'uni_v1': 'uni',
    'virchow2': 'virchow2',
}

GATED = {'mlp_layer': SwiGLUPacked, 'act_layer': nn.SiLU, 'init_values': 1e-5}
AT_224 = {'img_size': 224, 'dynamic_img_size': True}
# What the authors (or timm) pass to `timm.create_model`
PUBLISHED: dict[str, dict[str, Any]] = {
    'gpfm': {'model_name': 'vit_large_patch14_dinov2', **AT_224, 'init_values': 1e-5},
    'h0_mini': {
        'model_name': 'vit_base_patch14_reg4_dinov2',
        **AT_224,
        **GATED,
        'mlp_ratio': 5.33334,
    },
    'h_optimus_0': {
        'model_name': 'vit_giant_patch14_reg4_dinov2',
        **AT_224,
        'init_values': 1e-5,
        'global_pool': 'token',
    },
    'kaiko_vitb16': {'model_name': 'vit_base_patch16_224', **AT_224},
    'kaiko_vitb8': {'model_name': 'vit_base_patch8_224', **AT_224},
    'kaiko_vitl14_reg4': {'model_name': 'vit_large_patch14_reg4_dinov2', 'dynamic_img_size': True},
    'kaiko_vits16': {'model_name': 'vit_small_patch16_224', **AT_224},
    'lunit_dino_vits16': {'model_name': 'vit_small_patch16_224', 'num_heads': 6},
    'mae_pretrain_vit_base': {'model_name': 'vit_base_patch16_224'},
    'mae_pretrain_vit_large': {'model_name': 'vit_large_patch16_224'},
    'prov_gigapath_tile': {
        'model_name': 'vit_giant_patch14_dinov2',
        **AT_224,
        'patch_size': 16,
        'embed_dim': 1536,
        'num_heads': 24,
        'mlp_ratio': 5.33334,
    },
    'uni2_h': {
        'model_name': 'vit_giant_patch14_224',
        **AT_224,
        **GATED,
        'num_heads': 24,
        'embed_dim': 1536,
        'mlp_ratio': 2.66667 * 2,
        'no_embed_class': True,
        'reg_tokens': 8,
    },
    'uni_v1': {'model_name': 'vit_large_patch16_224', **AT_224, 'init_values': 1e-5},
    'virchow2': {
        'model_name': 'vit_huge_patch14_224',
        **AT_224,
        **GATED,
        'mlp_ratio': 5.3375,
        'reg_tokens': 4,
        'global_pool': '',
    },
}


def published(name: str, state: dict[str, Tensor], depth: int | None) -> nn.Module:
    """The authors' model with the file loaded into it as they do."""
    kwargs = PUBLISHED.get(name) or {'model_name': name.removeprefix('timm_')}
    if depth is not None:
        kwargs = {**kwargs, 'depth': depth}
    model = timm.create_model(**kwargs, num_classes=0)
    model.load_state_dict(state, strict=True)
    return model.eval()


def joined(tokens: Tensor) -> Tensor:
    """Virchow2's feature: token 0 is the class token, tokens 1-4 are registers."""
    return torch.cat([tokens[:, 0], tokens[:, 5:].mean(1)], dim=-1)


def retfound(state: dict[str, Tensor], images: Tensor, depth: int | None) -> Tensor:
    """RETFound's: no norm over all tokens, the mean of the patches, a norm that has learned nothing."""
    kept = {k: v for k, v in state.items() if not k.startswith(('decoder', 'mask_token'))}
    kwargs = {} if depth is None else {'depth': depth}
    model = timm.create_model('vit_large_patch16_224', num_classes=0, **kwargs).eval()
    model.load_state_dict(kept)
    model.norm = nn.Identity()
    return layer_norm(model.forward_features(images)[:, 1:].mean(1), (1024,), eps=1e-6)


def expected(name: str, state: dict[str, Tensor], images: Tensor, depth: int | None) -> Tensor:
    images = normalised(LAYOUTS[name], images)
    with torch.no_grad():
        if name == 'retfound_mae':
            return retfound(state, images, depth)
        made = published(name, state, depth)(images)
    return joined(made) if name == 'virchow2' else made


def side(name: str) -> int:
    """timm's own DINOv2 rows run at the size of the file; others at 224, whatever the file holds."""
    return 518 if name.startswith('timm_') else 224


def check(name: str, depth: int | None, tmp_path, monkeypatch) -> None:
    shorten(monkeypatch, LAYOUTS[name], depth)
    state, images = synthetic(name, depth), random_images(side(name))
    found = feature(LAYOUTS[name], write(tmp_path, name, state), images)
    check_same(found, expected(name, state, images, depth))


@pytest.mark.parametrize('name', LAYOUTS)
def test_full_size_fits_and_damage_is_refused(name):
    check_full_size(name, LAYOUTS[name])


@pytest.mark.parametrize('name', LAYOUTS)
def test_same_feature_as_the_authors_model(name, tmp_path, monkeypatch):
    check(name, short(name), tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize('name', [name for name in LAYOUTS if small_enough(name)])
def test_same_feature_in_full_depth(name, tmp_path, monkeypatch):
    check(name, None, tmp_path, monkeypatch)


@pytest.mark.parametrize('model', ['kaiko-vit-s8', 'lunit-dino-s8'])
def test_rows_with_smaller_patches_have_the_same_names(model):
    with torch.device('meta'):
        trunk = random_trunk(CARDS[model], CARDS[model].image_size)
    found = trunk.state_dict()
    stored = synthetic('kaiko_vits16', device='meta')
    assert found.keys() == stored.keys()
    different = {key for key in found if found[key].shape != stored[key].shape}
    assert different == {'patch_embed.proj.weight', 'pos_embed'}


def test_kaikos_large_model_loads_in_dinov2s_own_names(tmp_path, monkeypatch):
    """timm reads both, so nobody saw which of the two the published file has."""
    shorten(monkeypatch, 'kaiko-vit-l14', 2)
    in_timm = synthetic('kaiko_vitl14_reg4', 2)
    own = {k.replace('reg_token', 'register_tokens'): v for k, v in in_timm.items()}
    position = torch.randn(1, 1, 1024)
    own['cls_token'] = own['cls_token'] - position
    own['pos_embed'] = torch.cat([position, own['pos_embed']], dim=1)
    own['mask_token'] = torch.zeros(1, 1024)
    images = random_images()
    found = feature('kaiko-vit-l14', write(tmp_path, 'kaiko_vitl14_reg4', own), images)
    check_same(found, expected('kaiko_vitl14_reg4', in_timm, images, 2))


def test_retfound_starts_its_norm_afresh_and_never_copies_the_files(monkeypatch):
    shorten(monkeypatch, 'retfound-cfp', 2)
    card = CARDS['retfound-cfp']
    trunk = random_trunk(card, 224)
    state = to_timm(synthetic('retfound_mae', 2), trunk, card.pos_interp, card.leftovers)
    assert not [key for key in state if key.startswith(('norm.', 'decoder', 'mask_token'))]
    assert state['fc_norm.weight'].eq(1).all()
    assert state['fc_norm.bias'].eq(0).all()
    # a fine-tuned file has a norm of the mean, which stays
    tuned = {**synthetic('retfound_mae', 2), 'fc_norm.weight': torch.full((1024,), 3.0)}
    tuned['fc_norm.bias'] = torch.zeros(1024)
    tuned = {k: v for k, v in tuned.items() if not k.startswith(('norm.', 'decoder', 'mask'))}
    assert to_timm(tuned, trunk, card.pos_interp)['fc_norm.weight'].eq(3).all()
    # only a card that leaves the file's norm aside gets there
    with pytest.raises(CheckpointError, match=r'unexpected \(.*norm\.weight'):
        load_strict(trunk, to_timm(synthetic('retfound_mae', 2), trunk, 'mae', ('decoder*',)), 'x')


@pytest.mark.parametrize('kind', ['plain', 'gated'])
def test_retfound_dinov2_is_built_as_its_file_has_it(kind, tmp_path, monkeypatch):
    """A training run: teacher, backbone, blocks in chunks; its feed-forward layers are not documented."""
    from timm.models.vision_transformer import VisionTransformer

    shorten(monkeypatch, 'retfound-dinov2-meh', 2)
    more = {'mlp_layer': SwiGLUPacked, 'act_layer': nn.SiLU, 'mlp_ratio': 5472 / 1024}
    model = VisionTransformer(
        patch_size=14,
        embed_dim=1024,
        depth=2,
        num_heads=16,
        num_classes=0,
        init_values=1.0,
        **(more if kind == 'gated' else {}),
    ).eval()
    torch.manual_seed(2)
    for value in model.parameters():
        nn.init.normal_(value, std=0.05)
    teacher = {'backbone.mask_token': torch.zeros(1, 1024), 'dino_head.mlp.0.bias': torch.ones(2)}
    own_names = {'fc1': 'w12', 'fc2': 'w3'} if kind == 'gated' else {}
    for key, value in model.state_dict().items():
        for number in '01':
            key = key.replace(f'blocks.{number}.', f'blocks.{number}.{number}.')
        for old, new in own_names.items():
            key = key.replace(old, new)
        teacher[f'backbone.{key}'] = value
    torch.save({'teacher': teacher, 'iteration': 7}, tmp_path / 'run.pth')
    images = random_images()
    model.norm = nn.Identity()
    with torch.no_grad():
        tokens = model.forward_features(normalised('retfound-dinov2-meh', images))
        mean = layer_norm(tokens[:, 1:].mean(1), (1024,), eps=1e-6)
    check_same(feature('retfound-dinov2-meh', tmp_path / 'run.pth', images), mean)


@pytest.mark.parametrize('prefix', ['encoder_q.', 'net.', 'model.visual.'])
def test_a_prefix_that_nobody_knows_never_loads_nothing(prefix, tmp_path):
    state = {f'{prefix}{k}': v for k, v in synthetic('lunit_dino_vits16', 1).items()}
    torch.save(state, tmp_path / 'weights.pth')
    with pytest.raises(CheckpointError, match='unknown checkpoint layout'):
        load_vision('lunit-dino-s16', weights=tmp_path / 'weights.pth')


def test_a_prefix_on_some_keys_only_is_named(tmp_path, monkeypatch):
    shorten(monkeypatch, 'lunit-dino-s16', 2)
    state = synthetic('lunit_dino_vits16', 2)
    half = {(f'ema.{k}' if k.startswith('blocks.1') else k): v for k, v in state.items()}
    torch.save(half, tmp_path / 'weights.pth')
    with pytest.raises(CheckpointError, match=r'12 missing \(blocks.1'):
        load_vision('lunit-dino-s16', weights=tmp_path / 'weights.pth')


def test_mae_training_file_loads_without_its_decoder(tmp_path, monkeypatch):
    shorten(monkeypatch, 'mae-vit-l16', 2)
    state, images = synthetic('retfound_mae', 2), random_images()
    assert 'decoder_pred.weight' in state
    alone = {k: v for k, v in state.items() if not k.startswith(('decoder', 'mask_token'))}
    found = feature('mae-vit-l16', write(tmp_path, 'retfound_mae', state), images)
    check_same(found, expected('mae_pretrain_vit_large', alone, images, 2))
