from __future__ import annotations

import math

import torch
from tiny_models import CLASSES, tiny_anchors
from torch.nn.functional import cross_entropy, normalize

from cite.anchors import Anchors
from cite.heads.text_linear import TextLinearHead
from cite.heads.zero_shot import ZeroShotHead

DIM = 24
ANCHORS = Anchors(tiny_anchors(DIM).embeddings, CLASSES, {'logit_scale': math.log(20)})


def drawn(count, seed=0):
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def made(cls=TextLinearHead):
    head = cls(CLASSES, anchors=ANCHORS)
    head.attach(DIM, CLASSES)
    return head


def test_it_starts_as_the_zero_shot_head():
    head = made()
    torch.testing.assert_close(head.fc.weight.data, 20 * normalize(ANCHORS.embeddings, dim=1))
    assert not head.fc.bias.any()
    torch.testing.assert_close(head(drawn(5)), made(ZeroShotHead)(drawn(5)))
    assert head.in_features == DIM


def test_the_formula_is_what_trains_and_all_of_it_gets_gradients():
    head = made()
    assert {name for name, _ in head.named_parameters()} == {'fc.weight', 'fc.bias'}
    assert head.trained_parameters(DIM, 3) == sum(p.numel() for p in head.parameters())
    cross_entropy(head(drawn(30)), torch.arange(30) % 3).backward()
    assert all((p.grad != 0).all() for p in head.parameters())


def test_a_step_moves_the_weights_and_no_anchor():
    head, features, labels = made(), drawn(30), torch.arange(30) % 3
    before = cross_entropy(head(features), labels)
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
    for _ in range(20):
        optimizer.zero_grad()
        cross_entropy(head(features), labels).backward()
        optimizer.step()
    assert cross_entropy(head(features), labels) < before
    assert torch.equal(head.anchors, ANCHORS.embeddings)


def test_a_fresh_head_takes_its_state():
    head = made()
    head.fc.weight.data.add_(drawn(3))
    fresh = made()
    fresh.load_state_dict(head.state_dict(), strict=True)
    assert torch.equal(fresh(drawn(5)), head(drawn(5)))


def test_float32_under_autocast():
    head, features = made(), drawn(5)
    with torch.autocast('cpu', torch.bfloat16):
        inside, low = head(features), head(features.bfloat16())
    assert torch.equal(inside, head(features)) and low.dtype == torch.float32
