from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cite import precision
from cite.attention import ByProducts, attention
from cite.precision import autocast, same_attention


def tensors(batch=3, heads=2, rows=7, keys=7, dim=8, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, heads, n, d) for n, d in ((rows, dim), (keys, dim), (keys, width)))
    return [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]


def gradients(compute, inputs):
    leaves = [t.clone().requires_grad_() for t in inputs]
    out = compute(*leaves)
    slope = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(slope.bfloat16().to(out.dtype))
    return [out.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize('scores', [1, 100, 1 << 20])
@pytest.mark.parametrize('sizes', [{}, {'keys': 5}, {'width': 4}])
def test_values_and_gradients_are_those_of_attention(monkeypatch, scores, sizes):
    monkeypatch.setattr('cite.attention.SCORES', scores)
    inputs = tensors(**sizes)
    found = gradients(lambda q, k, v: attention(q, k, v, 8**-0.5), inputs)
    exact = gradients(F.scaled_dot_product_attention, [t.double() for t in inputs])
    for mine, wanted in zip(found, exact, strict=True):
        assert mine.dtype == torch.bfloat16 and mine.shape == wanted.shape
        assert (mine.double() - wanted).norm() < 0.015 * wanted.norm()


def test_it_stands_in_for_pytorchs_and_for_no_call_with_more_to_it(monkeypatch):
    q, k, v = tensors()
    with ByProducts():
        assert torch.equal(F.scaled_dot_product_attention(q, k, v), attention(q, k, v, 8**-0.5))
        assert torch.equal(
            F.scaled_dot_product_attention(q, k, v, scale=0.1), attention(q, k, v, 0.1)
        )
    mask = torch.zeros(7, 7).bfloat16()
    for options in ({'attn_mask': mask}, {'is_causal': True}, {'dropout_p': 0.5}):
        torch.manual_seed(0)
        wanted = F.scaled_dot_product_attention(q, k, v, **options)
        torch.manual_seed(0)
        with ByProducts():
            assert torch.equal(F.scaled_dot_product_attention(q, k, v, **options), wanted)


def test_it_keeps_queries_keys_and_values_alone():
    kept = []
    inputs = [t.requires_grad_() for t in tensors()]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        attention(*inputs, 1.0)
    assert [t.data_ptr() for t in kept] == [t.data_ptr() for t in inputs]


@pytest.mark.parametrize('pays', [True, False])
def test_autocast_to_bf16_on_cpus_takes_it_where_it_pays(monkeypatch, pays):
    monkeypatch.setattr(precision, 'pays', lambda: pays)
    q, k, v = (t.float() for t in tensors())
    with autocast('bf16', 'cpu'):
        found = F.scaled_dot_product_attention(q, k, v)
        inner = same_attention()
    assert found.dtype == torch.bfloat16
    mine = attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), 8**-0.5)
    assert torch.equal(found, mine) is pays
    assert isinstance(inner, ByProducts) is pays
    with autocast('fp32', 'cpu'):
        assert F.scaled_dot_product_attention(q, k, v).dtype == torch.float32
    assert not isinstance(same_attention(), ByProducts)
