from __future__ import annotations

import pytest
import torch
from small_adapter import build, pictures
from torch import nn
from tower_kinds import VISION, check_state, check_trains, features, fit, size, step, vision

from cite.adapter import save_adapter
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.images import image_batches
from cite.serving.rebuild import load_adapter
from cite.tuning.base import EMBED

KINDS = (*VISION, 'bert', 'clip', 'biogpt', 'gpt2')


@pytest.mark.parametrize('kind', KINDS)
def test_starts_as_the_untouched_tower(towers, kind):
    tower, plain = towers(kind, 'BitFit'), towers(kind)
    assert torch.equal(features(tower), features(plain))
    assert tower.digest == plain.digest


@pytest.mark.parametrize('kind', KINDS)
def test_trains_the_biases_and_nothing_else(towers, kind):
    tower = towers(kind, 'BitFit')
    never = {id(weight) for weight in tower.untouched()}
    biases = {
        f'trunk.{name}'
        for name, value in tower.trunk.named_parameters()
        if name.endswith('.bias') and id(value) not in never
    }
    assert trainable(tower).keys() == biases
    assert {tower.tuning.group_of(name) for name in biases} == {'tower'}
    check_trains(tower)


def test_counts(towers):
    per_block = 48 + 3 * 48 + 48 + 48 + 4 * 48 + 48  # norm, qkv, projection, norm, the MLP's two
    tower = towers('vit', 'BitFit')
    assert size(tower) == 48 + 3 * per_block + 48
    assert repr(tower.tuning) == 'BitFit()'


def test_gradients_start_at_the_first_bias(towers):
    assert towers('vit', 'BitFit').tuning.first_stage == EMBED
    assert towers('clip', 'BitFit').tuning.first_stage == 0  # its embeddings have none


def test_the_pooler_trains_where_the_feature_passes_through_it(towers):
    assert 'trunk.pooler.dense.bias' not in trainable(towers('bert', 'BitFit'))


@pytest.mark.parametrize('kind', ['resnet', 'densenet'])
def test_statistics_of_batch_norm_stay(towers, kind):
    tower = towers(kind, 'BitFit').train()
    norms = [module for module in tower.trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert all(norm.bias.requires_grad and not norm.weight.requires_grad for norm in norms)


def test_biases_under_other_names_train_too(towers):
    from tiny_models import tiny_tower, tiny_trunk

    trunk = tiny_trunk()
    attention = nn.MultiheadAttention(48, 3, batch_first=True)
    trunk.norm = nn.Sequential(trunk.norm, Attention(attention))
    trained = trainable(tiny_tower({'type': 'BitFit'}, trunk))
    assert 'trunk.norm.1.inner.in_proj_bias' in trained
    assert 'trunk.norm.1.inner.in_proj_weight' not in trained


class Attention(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tokens):
        return self.inner(tokens, tokens, tokens)[0]


@pytest.mark.parametrize('kind', ['vit', 'swin', 'resnet', 'convnext', 'bert', 'clip'])
def test_state_dict(towers, kind):
    check_state(towers.maker(kind, 'BitFit'))


def test_it_learns():
    start, end = fit(vision('vit', 'BitFit'), steps=60, lr=0.03)
    assert end < 0.5 * start


@pytest.mark.parametrize('tuning', ['BitFit', 'LayerNormTuning', 'LastBlocks'])
def test_an_adapter_file_brings_the_towers_own_weights_back(tmp_path, tuning):
    classifier, info = build(tuning=tuning)
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    loaded, _ = load_adapter(path)
    (batch,) = image_batches(pictures(2), classifier.backbone.resize, 2)
    with torch.inference_mode():
        assert torch.equal(loaded(batch), classifier(batch))
        plain, _ = build(tuning=None)
        assert not torch.allclose(loaded.backbone(batch), plain.backbone(batch), atol=1e-3)


@pytest.mark.parametrize('kind', ['llama', 't5'])
def test_models_without_biases(towers, kind):
    with pytest.raises(ConfigError, match=f"BitFit: .*{kind} has no biases. Tune it by 'LoRA'"):
        towers(kind, 'BitFit')


@pytest.mark.parametrize('tuning', ['BitFit', ['LayerNormTuning', 'LoRA'], 'LastBlocks'])
def test_a_plain_model_takes_the_trained_weights(towers, tuning):
    tower, plain = towers('vit', tuning), towers('vit')
    step(tower)
    step(tower)
    plain.trunk.load_state_dict(tower.tuning.merged_state(tower.trunk), strict=True)
    torch.testing.assert_close(features(plain), features(tower), rtol=1e-4, atol=1e-5)
