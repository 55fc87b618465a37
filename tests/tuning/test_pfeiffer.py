from __future__ import annotations

import pytest
import torch
from adapted_sublayers import randomise, watch
from tower_kinds import TEXT, size

KINDS = ('vit', 'layerscale', 'swin', 'internimage', *TEXT)


@pytest.mark.parametrize('kind', KINDS)
def test_stands_behind_the_mlp_alone(towers, kind):
    tower = towers(kind, {'type': 'PfeifferAdapter', 'width': 8})
    randomise(tower)
    for place, attention, _, mlp in watch(tower):
        assert torch.equal(attention.left, attention.own)
        adapter = tower.tuning.adapters[str(place.block)]['mlp']
        torch.testing.assert_close(mlp.left, mlp.own + adapter(mlp.own))
        assert not torch.allclose(mlp.left, mlp.own, atol=1e-3)


def test_counts(towers):
    tower = towers('vit', {'type': 'PfeifferAdapter', 'blocks': [0, 2]})
    assert size(tower) == 2 * (48 * 3 + 3 + 3 * 48 + 48)
    assert repr(tower.tuning) == 'PfeifferAdapter(reduction=16, relu, blocks=[0, 2])'
