"""What is particular to one method or another, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from injected_towers import (
    BIT,
    CONVOLUTIONS,
    METHODS,
    TEXTS,
    convnet,
    made,
    moved,
    off,
    spec_of,
    with_tuning,
)
from tiny_models import tiny_images

from cite.errors import ConfigError
from cite.frozen import trainable


@pytest.mark.parametrize('kind', ['vit', 'swin'])
@pytest.mark.parametrize('method', ['LoRA', 'RsLoRA', 'DoRA'])
def test_agrees_with_peft_used_by_hand(kind, method):
    from peft import LoraConfig, get_peft_model

    tower = moved(made(method, kind, targets='attn', alpha=3))
    by_hand = with_tuning(None, kind)
    variant = {'RsLoRA': {'use_rslora': True}, 'DoRA': {'use_dora': True}}.get(method, {})
    config = LoraConfig(
        r=METHODS[method]['r'], lora_alpha=3, target_modules=['qkv', 'attn.proj'], **variant
    )
    model = get_peft_model(by_hand.trunk, config)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    ours = trainable(tower.trunk)
    assert {name.removeprefix('base_model.model.') for name in trained} == ours.keys()
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(ours[name.removeprefix('base_model.model.')])
    images = tiny_images(side=tower.image_size)
    normalised = (images - tower.mean) / tower.std
    expected = model.eval().forward_features(normalised)
    expected = by_hand.trunk.forward_head(expected, pre_logits=True)
    found = tower(images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    expected.square().sum().backward()
    found.square().sum().backward()
    for name, value in trained.items():
        mine = ours[name.removeprefix('base_model.model.')].grad
        assert off(mine, value.grad) < 1e-4, name


@pytest.mark.parametrize('method', sorted(METHODS.keys() - CONVOLUTIONS - {'LNTuning'}))
def test_what_takes_no_convolutions_says_what_does(method):
    with pytest.raises(ConfigError, match=f'{method} takes linear layers only.*LoKr, LoRA, RsLoRA'):
        made(method, 'resnet')
    with pytest.raises(ConfigError, match=f"{method}: .* no linear layers .*LoRA.*'conv'"):
        made(method, 'resnet', targets='attn')


@pytest.mark.parametrize('method', sorted(CONVOLUTIONS))
def test_attention_of_a_convolutional_network_is_refused(method):
    for targets in ('attn', 'mlp', 'qkv', 'all-linear'):
        with pytest.raises(
            ConfigError, match=f"{method}: .* no linear layers .* Give targets='conv'"
        ):
            made(method, 'resnet', targets=targets)


def test_a_batch_norm_is_no_layer_norm():
    with pytest.raises(ConfigError, match=r'LNTuning: .* no layer norms in its blocks'):
        with_tuning('LNTuning', 'resnet')


def test_magnitudes_of_standardised_convolutions_are_refused():
    with pytest.raises(ConfigError, match='DoRA: tiny is a convolutional network'):
        convnet('resnetv2_50x1_bit', spec_of('DoRA', targets='conv'), **BIT)


def test_vera_shares_two_matrices_that_the_seed_makes_again():
    tower = made('VeRA', 'vit', seed=1)
    layers = list(tower.tuning.put_in(tower.trunk).values())
    assert len({id(layer.vera_A['default']) for layer in layers}) == 1
    assert not any('vera_A' in name or 'vera_B' in name for name in tower.state_dict())
    same = made('VeRA', 'vit', seed=2).trunk.blocks[0].attn.qkv.vera_A['default']
    assert torch.equal(layers[0].vera_A['default'], same)
    other = with_tuning(spec_of('VeRA', seed=3), 'vit').trunk.blocks[0].attn.qkv.vera_A['default']
    assert not torch.equal(layers[0].vera_A['default'][:, :4], other[:, :4])


@pytest.mark.parametrize('method', ['OFT', 'BOFT'])
def test_rotations_keep_lengths(method):
    tower = moved(made(method, 'vit', targets='attn'))
    layer = tower.trunk.blocks[0].attn.proj
    found = layer.get_delta_weight('default')
    rotation = found[0] if method == 'BOFT' else found
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(48), rtol=0, atol=1e-5)
    assert off(rotation, torch.eye(48)) > 1e-2
    # of two sparse factors the product has more entries than a block of one
    assert (rotation.abs() > 1e-7).sum(dim=1).max() == {'OFT': 8, 'BOFT': 4}[method]


@pytest.mark.parametrize(
    ('spec', 'named'),
    [
        (
            {'type': 'OFT', 'block_size': 7, 'targets': 'attn'},
            'does not divide the 48 inputs of blocks',
        ),
        ({'type': 'OFT', 'block_size': 1}, 'OFT: block_size must be a whole number of at least 2'),
        ({'type': 'BOFT', 'block_size': 3}, 'BOFT: block_size must be even'),
        ({'type': 'BOFT', 'block_size': 4, 'factors': 4}, 'that 32 divides; .* has 48'),
        ({'type': 'BOFT', 'factors': 0}, 'BOFT: factors'),
        ({'type': 'HRA', 'r': 3}, 'HRA: r must be even'),
        ({'type': 'VeRA', 'r': 0}, 'VeRA: r must be'),
        ({'type': 'VeRA', 'seed': -1}, 'VeRA: seed'),
        ({'type': 'VeRA', 'dropout': 1}, 'VeRA: dropout'),
        ({'type': 'FourierFT', 'n': 48 * 48 + 1}, 'n=2305 is more than the 48 × 48 weights'),
        ({'type': 'FourierFT', 'scale': 0}, 'FourierFT: scale'),
        ({'type': 'LoHa', 'alpha': -1}, 'LoHa: alpha must be a number above 0 or None'),
        ({'type': 'LoKr', 'r': 1.5}, 'LoKr: r'),
        ({'type': 'AdaLoRA', 'targets': []}, 'AdaLoRA: targets'),
        ({'type': 'LNTuning', 'blocks': [3]}, r'LNTuning: blocks \[3\] are outside a tower of 3'),
    ],
)
def test_wrong_options_are_named(spec, named):
    with pytest.raises(ConfigError, match=named):
        with_tuning(spec, 'vit')


def test_text_towers_take_it():
    tower = moved(made('IA3', 'bert'))
    assert tower.encode_text(TEXTS).shape == (3, 24)
    scaled = {name: value.shape for name, value in trainable(tower.trunk).items()}
    assert scaled['encoder.layer.0.output.dense.ia3_l.default'] == (1, 32)
    assert scaled['encoder.layer.0.intermediate.dense.ia3_l.default'] == (32, 1)
