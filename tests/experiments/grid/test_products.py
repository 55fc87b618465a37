from __future__ import annotations

import itertools

import pytest
import torch
from torch.func import vmap
from torch.nn import functional as F

from cite.experiments.grid.products import SharedProducts

B, IN, GROUPS, MEMBERS = 7, 5, 2, 3
WHERE = {'shared': (), 'group': (GROUPS,), 'member': (GROUPS, MEMBERS)}
"""Who has a tensor of its own: its leading sizes."""


def dims(kind):
    """For the outer and for the inner vmap."""
    return {'shared': (None, None), 'group': (0, None), 'member': (0, 0)}[kind]


@pytest.mark.parametrize('outputs', [4, 9], ids=['few outputs', 'many outputs'])
@pytest.mark.parametrize(
    ('of_x', 'of_w'), [p for p in itertools.product(WHERE, WHERE) if p != ('shared', 'shared')]
)
def test_products_and_gradients_are_those_of_plain_layers(of_x, of_w, outputs):
    draw = torch.Generator().manual_seed(0)

    def tensor(kind, *shape):
        made = torch.randn(*WHERE[kind], *shape, generator=draw, dtype=torch.float64)
        return made.requires_grad_()

    x, w, bias = tensor(of_x, B, IN), tensor(of_w, outputs, IN), tensor(of_w, outputs)
    again = tensor('shared', outputs, IN)

    def layers(x, w, bias):
        hidden = F.linear(x, w, bias).relu() @ again  # (B, IN)
        return torch.matmul(hidden, w.T), F.linear(hidden, w)

    def outcome(shared):
        out = [
            [
                layers(
                    *(
                        t[(g, m)[: len(WHERE[kind])]]
                        for t, kind in ((x, of_x), (w, of_w), (bias, of_w))
                    )
                )
                for m in range(MEMBERS)
            ]
            for g in range(GROUPS)
        ]
        expected = torch.stack([torch.stack([torch.stack(pair) for pair in row]) for row in out])
        if not shared:
            return expected
        kinds = (of_x, of_w, of_w)
        inner_dims = tuple(dims(kind)[1] for kind in kinds)
        outer_dims = tuple(dims(kind)[0] for kind in kinds)
        every = layers
        if set(inner_dims) == {None}:  # members that are all alike
            inner = every
        else:
            inner = vmap(every, inner_dims)
        with SharedProducts():
            found = torch.stack(vmap(inner, outer_dims)(x, w, bias))
        if inner is every:
            found = found.unsqueeze(2).expand(-1, -1, MEMBERS, -1, -1)
        return found.permute(1, 2, 0, 3, 4)

    expected, found = outcome(False), outcome(True)
    torch.testing.assert_close(found, expected)
    leaves = (x, w, bias, again)
    for a, b in zip(
        torch.autograd.grad(found.square().sum(), leaves),
        torch.autograd.grad(expected.square().sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_outside_of_vmap_and_with_other_shapes_nothing_changes():
    x, w = torch.randn(4, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    with SharedProducts():
        out, deep = F.linear(x, w), F.linear(x[None], w, bias=torch.ones(2))
        (gradient,) = torch.autograd.grad(out.sum(), w)
    torch.testing.assert_close(out, x @ w.T)
    torch.testing.assert_close(deep, x[None] @ w.T + 1)
    torch.testing.assert_close(gradient, x.sum(0).expand(2, 3))
