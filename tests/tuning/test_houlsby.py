from __future__ import annotations

import pytest
import torch
from adapted_sublayers import randomise, watch
from tiny_models import tiny_images
from tower_kinds import TEXT, size

KINDS = ('vit', 'layerscale', 'swin', 'internimage', *TEXT)
SPEC = {'type': 'HoulsbyAdapter', 'width': 8}


@pytest.mark.parametrize('kind', KINDS)
def test_stands_behind_attention_and_mlp(towers, kind):
    tower = towers(kind, SPEC)
    randomise(tower)
    for place, attention, _, mlp in watch(tower):
        adapters = tower.tuning.adapters[str(place.block)]
        for seen, adapter in ((attention, adapters['attention']), (mlp, adapters['mlp'])):
            torch.testing.assert_close(seen.left, seen.own + adapter(seen.own))
            assert not torch.allclose(seen.left, seen.own, atol=1e-3)


@torch.no_grad()
def test_a_block_computes_what_the_paper_says(towers):
    tower = towers('layerscale', SPEC)
    randomise(tower)
    tokens = tower.embed(tiny_images())
    block, adapters = tower.blocks[0], tower.tuning.adapters['0']
    plain = towers('layerscale').blocks[0]
    after = plain.attn(plain.norm1(tokens))
    between = tokens + plain.ls1(after + adapters['attention'](after))
    after = plain.mlp(plain.norm2(between))
    expected = between + plain.ls2(after + adapters['mlp'](after))
    torch.testing.assert_close(block(tokens), expected)


def test_counts(towers):
    tower = towers('vit', {'type': 'HoulsbyAdapter', 'reduction': 16})
    assert size(tower) == 3 * 2 * (48 * 3 + 3 + 3 * 48 + 48)
    assert repr(tower.tuning) == 'HoulsbyAdapter(reduction=16, gelu, blocks=[0, 1, 2])'
