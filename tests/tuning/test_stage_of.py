from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_card, tiny_images
from tower_kinds import DEPTHS, VISION, vision

from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.tuning.base import EMBED
from cite.tuning.stage_of import blocks_of, own_weights, stages_of


@pytest.mark.parametrize('kind', DEPTHS)
@torch.no_grad()
def test_a_stage_hangs_on_its_weights_and_on_none_behind_it(kind):
    tower = vision(kind)
    stages, own, depth = stages_of(tower), own_weights(tower), tower.depth
    assert depth == DEPTHS[kind]
    assert stages.keys() == dict(tower.trunk.named_parameters()).keys()
    assert {EMBED, *range(depth)} <= set(stages.values()) <= {EMBED, *range(depth + 1)}

    def passed_on():
        tokens = tower.embed(tiny_images(1, tower.image_size))
        found = [tokens]
        for index in range(depth):
            tokens = tower.stages.block(index, tokens)
            found.append(tokens)
        return [*found, tower.pool(tokens)]

    before = passed_on()
    for name, stage in stages.items():
        kept = own[name].clone()
        own[name].add_(0.3 * torch.randn_like(kept))
        after = passed_on()
        own[name].copy_(kept)
        changed = [not torch.equal(a, b) for a, b in zip(after, before, strict=True)]
        assert changed.index(True) == stage + 1, name  # the embedding comes first


@pytest.mark.parametrize(
    ('kind', 'name', 'stage'),
    [
        ('vit', 'pos_embed', EMBED),
        ('vit', 'norm.weight', 3),
        ('swin', 'layers.1.downsample.norm.weight', 1),
        ('internimage', 'levels.0.downsample.conv.weight', 0),
        ('densenet', 'features.norm5.weight', 5),
        ('convnext', 'stages.3.blocks.0.norm.weight', EMBED),
        ('bert', 'embeddings.LayerNorm.bias', EMBED),
        ('bert', 'encoder.layer.1.output.dense.bias', 1),
        ('bert', 'pooler.dense.bias', 2),
        ('clip', 'text_model.encoder.layers.1.mlp.fc1.bias', 1),
        ('clip', 'text_projection.weight', 2),
        ('t5', 'shared.weight', EMBED),
        ('t5', 'encoder.block.1.layer.0.SelfAttention.q.weight', 1),
        ('t5', 'encoder.final_layer_norm.weight', 2),
    ],
)
def test_names_of_each_kind(towers, kind, name, stage):
    assert stages_of(towers(kind))[name] == stage


def test_a_pooler_stands_behind_the_blocks():
    kwargs = {'depth': 2, 'embed_dim': 48, 'num_heads': 3, 'patch_size': 8, 'no_embed_class': True}
    card = replace(tiny_card('token', 16, arch_kwargs=kwargs), tower='PooledViT')
    stages = stages_of(VisionTower(card, random_trunk(card, 32).eval()))
    assert {stage for name, stage in stages.items() if name.startswith(('attn_pool', 'fc'))} == {2}


@pytest.mark.parametrize('kind', ['clip', 'biogpt', 'llama', 'gpt2', 't5'])
def test_text_models_have_blocks(towers, kind):
    tower = towers(kind)
    assert len(blocks_of(tower)) == 2
    assert set(stages_of(tower).values()) == {EMBED, 0, 1, 2}


def test_layers_that_peft_puts_in_are_left_out(towers):
    plain = own_weights(towers('vit'))
    adapted = own_weights(towers('vit', {'type': 'LoRA', 'targets': 'attn+mlp'}))
    assert adapted.keys() == plain.keys()
    assert set(VISION) - set(DEPTHS) == {'convnext'}
