from __future__ import annotations

import pytest
import timm
import torch
from timm.layers.activations import QuickGELU as Written

from cite.encoders.speed.quick_gelu import QuickGELU, swap_quick_gelu


@pytest.mark.parametrize(('dtype', 'bound'), [(torch.float32, 1e-6), (torch.bfloat16, 0.01)])
def test_values_and_gradients_are_those_of_the_formula(dtype, bound):
    x = torch.linspace(-12, 12, 999, dtype=torch.float64)
    results = []
    for act, given in ((Written(), x), (QuickGELU(), x.to(dtype))):
        leaf = given.clone().requires_grad_()
        out = act(leaf)
        out.sum().backward()
        results.append((out.detach(), leaf.grad))
    for wanted, found in zip(*results, strict=True):
        assert found.dtype == dtype
        assert (found.double() - wanted).abs().max() < bound * wanted.abs().max()


def test_it_keeps_its_input_alone():
    x = torch.randn(5, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        QuickGELU()(x)
    assert [t.data_ptr() for t in kept] == [x.data_ptr()]


def test_it_takes_the_place_of_timms_and_names_stay():
    trunk = timm.create_model('vit_tiny_patch16_224', depth=2, act_layer='quick_gelu').eval()
    names, images = list(trunk.state_dict()), torch.randn(1, 3, 224, 224)
    wanted = trunk(images)
    swap_quick_gelu(trunk)
    assert all(type(block.mlp.act) is QuickGELU for block in trunk.blocks)
    assert list(trunk.state_dict()) == names
    torch.testing.assert_close(trunk(images), wanted, rtol=1e-4, atol=1e-5)
