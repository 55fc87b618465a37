"""REMEDIS, ResNet-50 and DenseNet-121: published files → towers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from bit_files import tf_variables
from layouts import synthetic

from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.towers.stages import STAGES
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError, ModelError

LAYOUTS = ('timm_resnetv2_50x1_bit', 'timm_resnetv2_152x2_bit')
MODELS = {
    'timm_resnetv2_50x1_bit': 'remedis-path-50x1',
    'timm_resnetv2_152x2_bit': 'remedis-cxr-152x2',
}
NARROW = (128, 128, 128, 128)


def images(side: int = 64) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(5))


def narrowed(monkeypatch, name: str, **kwargs):
    """The card of a small version of a model; the same layers, fewer channels."""
    card = CARDS[name]
    kwargs = {**card.arch_kwargs, **kwargs}
    with torch.device('meta'):
        dim = timm.create_model(card.arch, **kwargs).num_features
    small = replace(card, arch_kwargs=kwargs, feature_dim=dim, image_size=64, resize_size=64)
    monkeypatch.setitem(CARDS, name, small)
    return small


@pytest.mark.parametrize('name', LAYOUTS)
def test_published_layout_fills_the_zoo_model(name):
    card = CARDS[MODELS[name]]
    with torch.device('meta'):
        trunk = STAGES.get(card.tower).build(card, card.image_size)
    load_strict(trunk, to_timm(synthetic(name, device='meta'), trunk, None, card.leftovers), name)
    assert trunk.num_features == card.feature_dim


@pytest.mark.parametrize('name', LAYOUTS)
def test_what_does_not_fit_is_refused_by_name(name):
    card = CARDS[MODELS[name]]
    with torch.device('meta'):
        trunk = STAGES.get(card.tower).build(card, card.image_size)
    state = synthetic(name, device='meta')
    key = 'stages.2.blocks.1.conv2.weight'
    for changed in (
        {k: v for k, v in state.items() if k != key},
        {**state, f'{key}2': state[key]},
        {**state, key: state[key][:-1]},
    ):
        with pytest.raises(CheckpointError, match=re.escape(key)):
            load_strict(trunk, to_timm(changed, trunk, None, card.leftovers), name)


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors', '.pth'])
@torch.no_grad()
def test_remedis_loads_from_every_kind_of_file(suffix, tmp_path, monkeypatch):
    card = narrowed(monkeypatch, 'remedis-path-50x1', channels=NARROW)
    expected = timm.create_model(card.arch, **card.arch_kwargs).eval()
    variables = {f'resnet/{k}': v for k, v in tf_variables(expected).items()}
    np.savez(tmp_path / 'bit.npz', **variables)
    expected.load_pretrained(str(tmp_path / 'bit.npz'))
    path = tmp_path / f'bit{suffix}'
    if suffix == '.pth':
        torch.save(expected.state_dict(), path)
    elif suffix == '.safetensors':
        from safetensors.torch import save_file

        save_file(expected.state_dict(), path)
    tower = load_vision('remedis-path-50x1', weights=path)
    torch.testing.assert_close(tower(images()), expected(images() * 2 - 1), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@torch.no_grad()
def test_remedis_at_full_size(tmp_path):
    state = synthetic('timm_resnetv2_50x1_bit')
    torch.save(state, tmp_path / 'w.pth')
    tower = load_vision('remedis-cxr-50x1', weights=tmp_path / 'w.pth')
    expected = timm.create_model('resnetv2_50x1_bit', num_classes=0).eval()
    expected.load_state_dict(state)
    assert tower.image_size == 448
    torch.testing.assert_close(
        tower(images(448)), expected(images(448) * 2 - 1), rtol=1e-4, atol=1e-5
    )


def test_remedis_says_where_its_weights_are():
    with pytest.raises(ModelError, match=r'path-50x1-remedis-m.*physionet\.org.*convert_remedis'):
        load_vision('remedis-path-50x1')


TORCHVISION = {'resnet50-in1k': 'resnet50', 'densenet121': 'densenet121'}


@pytest.mark.parametrize('name', TORCHVISION)
@torch.no_grad()
def test_torchvisions_files_compute_what_torchvision_does(name, tmp_path):
    """Files of today and of 2017: without counters, DenseNet's layers with a dot more in their names."""
    models = pytest.importorskip('torchvision').models
    torch.manual_seed(0)
    theirs = getattr(models, TORCHVISION[name])().eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    state = theirs.state_dict()
    old = {k: v for k, v in state.items() if not k.endswith('num_batches_tracked')}
    old = {re.sub(r'(denselayer\d+\.\w+)([12])\.', r'\1.\2.', k): v for k, v in old.items()}
    assert name != 'densenet121' or 'features.denseblock1.denselayer1.norm.1.weight' in old
    card = CARDS[name]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (card.mean, card.std))
    for classifier in ('fc', 'classifier'):
        if hasattr(theirs, classifier):
            setattr(theirs, classifier, torch.nn.Identity())
    expected = theirs((images() - mean) / std)
    for number, saved in enumerate((state, old)):
        torch.save(saved, tmp_path / f'{number}.pth')
        tower = load_vision(name, weights=tmp_path / f'{number}.pth', image_size=64)
        torch.testing.assert_close(tower(images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', TORCHVISION)
def test_a_missing_or_odd_tensor_of_a_baseline_is_named(name):
    card = CARDS[name]
    with torch.device('meta'):
        trunk = random_trunk(card, 224)
    state = trunk.state_dict()
    key = next(k for k in state if '1' in k and k.endswith('running_var'))
    for changed in (
        {k: v for k, v in state.items() if k != key},
        {**state, f'{key}2': state[key]},
        {**state, key: state[key][:-1]},
    ):
        with pytest.raises(CheckpointError, match=re.escape(key)):
            load_strict(trunk, to_timm(changed, trunk, None, card.leftovers), name)


def test_preprocessing_is_timms():
    for name, arch in TORCHVISION.items():
        cfg = timm.get_pretrained_cfg(f'{arch}.tv_in1k')
        card = CARDS[name]
        assert card.source is not None
        assert card.source.repo == cfg.hf_hub_id
        assert (card.mean, card.std, card.interpolation) == (cfg.mean, cfg.std, cfg.interpolation)
        assert card.resize_size == int(224 / cfg.crop_pct)
        assert card.licence.lower() == cfg.license
