from __future__ import annotations

import pytest
import torch
from adapted_sublayers import randomise, watch
from tiny_models import tiny_images
from tower_kinds import TEXT, size

from cite.errors import ConfigError

KINDS = ('vit', 'layerscale', 'swin', 'internimage', *TEXT)


@pytest.mark.parametrize('kind', KINDS)
def test_stands_beside_the_mlp(towers, kind):
    tower = towers(kind, {'type': 'AdaptFormer', 'width': 8})
    randomise(tower)
    for place, attention, enter, leave in watch(tower):
        assert torch.equal(attention.left, attention.own)
        adapter = tower.tuning.adapters[str(place.block)]['mlp']
        assert adapter.scale == 0.1
        torch.testing.assert_close(
            leave.left - leave.own, adapter(enter.entered), atol=1e-4, rtol=1e-3
        )
        assert adapter(enter.entered).abs().max() > 1e-2


@torch.no_grad()
def test_a_block_computes_what_the_paper_says(towers):
    tower = towers('vit', {'type': 'AdaptFormer', 'width': 8, 'scale': 0.7})
    randomise(tower)
    tokens = tower.embed(tiny_images())
    plain = towers('vit').blocks[0]
    adapter = tower.tuning.adapters['0']['mlp']
    between = tokens + plain.attn(plain.norm1(tokens))
    normed = plain.norm2(between)
    inner = (normed @ adapter.down.weight.T + adapter.down.bias).relu()
    beside = inner @ adapter.up.weight.T + adapter.up.bias
    torch.testing.assert_close(tower.blocks[0](tokens), between + plain.mlp(normed) + 0.7 * beside)


def test_nothing_is_held_between_passes(towers):
    tower = towers('vit', {'type': 'AdaptFormer'})
    tower(tiny_images())
    adapters = [m for m in tower.tuning.modules() if hasattr(m, '_held')]
    assert len(adapters) == 3
    assert not any(adapter._held for adapter in adapters)


def test_counts(towers):
    tower = towers('vit', {'type': 'AdaptFormer'})
    assert size(tower) == 3 * (48 * 64 + 64 + 64 * 48 + 48)
    assert repr(tower.tuning) == 'AdaptFormer(width=64, relu, blocks=[0, 1, 2], scale=0.1)'


@pytest.mark.parametrize('scale', [0, -1, '0.1'])
def test_wrong_scales(towers, scale):
    with pytest.raises(ConfigError, match='AdaptFormer: scale must be a number above 0'):
        towers('vit', {'type': 'AdaptFormer', 'scale': scale})
