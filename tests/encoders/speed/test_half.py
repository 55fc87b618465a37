from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_images, tiny_tower, tiny_trunk
from torch import nn

from cite.encoders.speed.half import hold


def formats(module):
    return {name: weight.dtype for name, weight in module.named_parameters()}


def test_matrices_are_held_and_norms_embeddings_and_what_trains_are_not():
    tower = tiny_tower({'type': 'BitFit'})
    tower.hold_frozen(torch.bfloat16)
    half = {name for name, kind in formats(tower.trunk).items() if kind == torch.bfloat16}
    assert half == {
        'patch_embed.proj.weight',
        *(f'blocks.{n}.{part}.weight' for n in range(3) for part in ('attn.qkv', 'attn.proj')),
        *(f'blocks.{n}.{part}.weight' for n in range(3) for part in ('mlp.fc1', 'mlp.fc2')),
    }
    plain = tiny_tower()
    plain.hold_frozen(torch.bfloat16)
    assert {formats(plain.trunk)[name] for name in ('cls_token', 'pos_embed', 'norm.weight')} == {
        torch.float32
    }
    assert formats(plain.trunk)['blocks.0.attn.qkv.bias'] == torch.bfloat16


def test_layers_of_peft_are_held_where_they_only_add_to_what_a_layer_gives():
    for method, expected in (('LoRA', torch.bfloat16), ('DoRA', torch.float32)):
        tower = tiny_tower({'type': method, 'targets': ['attn.qkv'], 'blocks': [1]})
        tower.hold_frozen(torch.bfloat16)
        kinds = formats(tower.trunk)
        assert kinds['blocks.1.attn.qkv.base_layer.weight'] == expected
        assert kinds['blocks.1.attn.proj.weight'] == torch.bfloat16


def test_what_two_modules_hold_and_what_a_derived_layer_standardises_stays():
    class Standardised(nn.Linear):
        pass

    embedding, tied = nn.Embedding(4, 3), nn.Linear(3, 4)
    tied.weight = embedding.weight
    module = nn.ModuleList([embedding, tied, Standardised(3, 3), nn.Linear(3, 3)])
    hold(module.requires_grad_(False), torch.float16)
    kinds = formats(module)
    assert {name for name, kind in kinds.items() if kind == torch.float16} == {
        *('1.bias', '3.weight', '3.bias')
    }


@pytest.mark.parametrize('tuning', [None, {'type': 'BitFit'}, {'type': 'VisualPrompt'}])
def test_the_digest_names_what_was_loaded_and_a_change_is_still_seen(tuning):
    wanted = tiny_tower(tuning).digest
    tower = tiny_tower(tuning)
    tower.hold_frozen(torch.bfloat16)
    assert tower.digest == wanted and tower.frozen_digest() != wanted
    assert tower.frozen_stands()
    tower.trunk.blocks[1].mlp.fc1.weight.data[0, 0] += 1
    assert not tower.frozen_stands()


def test_a_tower_that_trains_as_a_whole_stays_as_it_is():
    tower = tiny_tower({'type': 'FullFineTuning'})
    tower.hold_frozen(torch.bfloat16)
    assert set(formats(tower.trunk).values()) == {torch.float32} and tower.frozen_stands()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_on_a_gpu_too(dtype):
    images = tiny_images(4).cuda()
    plain, held = tiny_tower().cuda(), tiny_tower(trunk=tiny_trunk()).cuda()
    held.hold_frozen(dtype)
    with torch.autocast('cuda', dtype):
        assert torch.equal(held(images), plain(images))
