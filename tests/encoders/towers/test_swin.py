from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import save_file
from tiny_models import tiny_card, tiny_images
from torch import nn

from cite.encoders.towers.ctranspath_stem import CTransPathStem
from cite.encoders.towers.swin import Swin
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS, get_card
from cite.errors import ConfigError, ModelError
from cite.tuning import TUNINGS

SIDE = 64
SIZES = {
    'patch_size': 4,
    'embed_dim': 16,
    'depths': (2, 2, 1),
    'num_heads': (2, 2, 4),
    'window_size': 4,
    'num_classes': 0,
}
ARCH = 'swin_tiny_patch4_window7_224'


def card(stem=None, **fields):
    kwargs = SIZES | ({'embed_layer': stem} if stem else {})
    fields = {'feature': 'pool', 'feature_dim': 64, 'patch_size': 16, 'image_size': SIDE} | fields
    return replace(tiny_card(arch_kwargs=kwargs, **fields), arch=ARCH, tower='Swin')


def randomise(trunk):
    for value in trunk.parameters():
        nn.init.normal_(value, std=0.2)
    return trunk.eval()


def tower(tuning=None, size=SIDE, **fields):
    row = card(**fields)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = randomise(Swin.build(row, size))
        return VisionTower(row, trunk, TUNINGS.build(tuning) if tuning else None)


@pytest.mark.parametrize('size', [64, 80, 96])
@pytest.mark.parametrize('stem', [None, 'CTransPathStem'])
def test_stage_by_stage_equals_timm(size, stem):
    """At 80 pixels timm fills the windows up: 20 tokens a side, then 10 and 5, in windows of 4."""
    made = tower(size=size, stem=stem)
    images = tiny_images(2, size)
    normalised = (images - made.mean) / made.std
    features = made(images)
    whole = made.trunk.forward_head(made.trunk.forward_features(normalised), pre_logits=True)
    assert features.shape == (2, 64)
    assert features.std() > 0.1
    torch.testing.assert_close(features, whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(features, made.trunk(normalised), rtol=0, atol=1e-6)


def test_what_a_tower_says_of_itself():
    made = tower()
    assert made.depth == 5
    assert (made.width, made.num_patches, made.num_prefix_tokens) == (16, 256, 0)
    assert made.image_size == SIDE
    assert made.embed(tiny_images(1, SIDE)).shape == (1, 16, 16, 16)


def test_projection_has_no_bias():
    made = tower(feature='projection', feature_dim=12)
    images = tiny_images(2, SIDE)
    pooled = made.trunk.forward_features((images - made.mean) / made.std).mean((1, 2))
    weight = made.trunk.state_dict()['head.fc.weight']
    assert not any('head' in name and 'bias' in name for name in made.trunk.state_dict())
    torch.testing.assert_close(made(images), pooled @ weight.T, rtol=1e-5, atol=1e-5)


def test_lora_reaches_the_chosen_blocks_alone():
    spec = {'type': 'LoRA', 'r': 2, 'targets': 'attn+mlp', 'blocks': [1, 3]}
    plain, made = tower(), tower(spec)
    images = tiny_images(2, SIDE)
    torch.testing.assert_close(made(images), plain(images))
    before = made.digest
    assert before == plain.digest
    optimiser = torch.optim.SGD([p for p in made.parameters() if p.requires_grad], 0.1)
    for _ in range(2):  # A gets no gradient while B is zero
        optimiser.zero_grad()
        made.train()(images).square().sum().backward()
        optimiser.step()
    got = {name for name, p in made.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name.partition('.lora_')[0] for name in got} == {
        f'trunk.layers.{stage}.blocks.1.{layer}'
        for stage in (0, 1)
        for layer in ('attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2')
    }
    assert got == {name for name, p in made.named_parameters() if p.requires_grad}
    assert made.frozen_digest() == before
    assert (made.eval()(images) - plain(images)).abs().max() > 1e-3


def test_patches_and_channels_of_every_block():
    made = tower()
    found = [made.stages.block_size(index) for index in range(made.depth)]
    assert found == [(256, 16), (256, 16), (64, 32), (64, 32), (16, 64)]
    tokens = made.embed(tiny_images(1, SIDE))
    for index, (patches, channels) in enumerate(found):
        tokens = made.stages.block(index, tokens)
        assert tokens[0].numel() == patches * channels


def test_a_block_can_be_run_otherwise_behind_the_merging():
    made = tower()
    stages, seen = made.stages, []
    tokens = torch.randn(1, 16, 16, 16)
    stages.instead = lambda block, grid: seen.append((block, grid)) or -grid
    merged = stages.merging[2](tokens)
    torch.testing.assert_close(stages.block(2, tokens), -merged)
    assert seen[0][0] is made.blocks[2]


def running_statistics(made):
    state = made.trunk.state_dict()
    return {k: v.clone() for k, v in state.items() if 'running' in k or 'tracked' in k}


@pytest.mark.parametrize(
    ('tuning', 'drift'),
    [(None, False), ({'type': 'LoRA', 'r': 2}, False), ({'type': 'FullFineTuning'}, True)],
)
def test_batch_norm_of_the_stem_drifts_only_where_all_trains(tuning, drift):
    made = tower(tuning, stem='CTransPathStem').train()
    before = running_statistics(made)
    assert len(before) == 6
    made(tiny_images(4, SIDE))
    after = running_statistics(made)
    assert any(not torch.equal(before[k], after[k]) for k in before) is drift


@pytest.mark.parametrize(
    ('size', 'message'),
    [(72, 'must be a multiple of it, found 72'), (48, 'windows of 4 × 4 .* at least 64')],
)
def test_sizes_that_do_not_fit_are_refused(size, message):
    with pytest.raises(ModelError, match=message):
        random_trunk(card(), size)


def test_stem_refuses_what_it_was_not_made_for():
    with pytest.raises(ConfigError, match='patch_size must be 4'):
        CTransPathStem(patch_size=16)
    with pytest.raises(ConfigError, match='multiple of 8'):
        CTransPathStem(embed_dim=20)


@pytest.mark.parametrize('classifier', ['head.fc', 'head'])
def test_swin_by_timm_name_with_its_own_file(tmp_path, monkeypatch, classifier):
    """Today's files, and those of before timm 0.9, whose merging layers are a stage earlier."""
    row = get_card('timm:swin_tiny_patch4_window7_224.ms_in22k')
    assert (row.tower, row.feature, row.feature_dim, row.patch_size) == ('Swin', 'pool', 768, 32)
    row = replace(row, image_size=SIDE, arch_kwargs=SIZES, feature_dim=64, resize_size=SIDE)
    monkeypatch.setitem(CARDS, row.name, row)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        sizes = {**SIZES, 'img_size': SIDE}
        classes = randomise(timm.create_model(row.arch, **{**sizes, 'num_classes': 10}))
    state = {key.replace('head.fc', classifier): v for key, v in classes.state_dict().items()}
    if classifier == 'head':
        for stage in (1, 2):
            for part in ('norm.weight', 'norm.bias', 'reduction.weight'):
                moved = state.pop(f'layers.{stage}.downsample.{part}')
                state[f'before.{stage - 1}.downsample.{part}'] = moved
        state = {key.replace('before.', 'layers.'): value for key, value in state.items()}
        state['layers.0.blocks.1.attn_mask'] = torch.zeros(4, 16, 16)
    save_file(state, tmp_path / 'swin.safetensors')
    made = load_vision(row.name, weights=tmp_path / 'swin.safetensors')
    images = tiny_images(2, SIDE)
    expected = classes.forward_features((images - made.mean) / made.std).mean((1, 2))
    torch.testing.assert_close(made(images), expected, rtol=1e-5, atol=1e-5)
