from __future__ import annotations

import math

import pytest
import torch
from tiny_models import CLASSES, tiny_anchors

from cite.anchors import Anchors
from cite.errors import ConfigError
from cite.heads.tip_adapter import TipAdapterHead
from cite.heads.zero_shot import ZeroShotHead

DIM = 24
ANCHORS = Anchors(tiny_anchors(DIM).embeddings, CLASSES, {'logit_scale': math.log(20)})
LABELS = torch.arange(12) % 3


def drawn(count, seed=0):
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def made(fit=True, **options) -> TipAdapterHead:
    head = TipAdapterHead(CLASSES, anchors=ANCHORS, **options)
    head.attach(DIM, CLASSES)
    if fit:
        head.fit(drawn(12), LABELS)
    return head


@pytest.mark.parametrize(('alpha', 'beta'), [(1.0, 5.5), (0.3, 2.0)])
def test_the_training_free_form_is_the_closed_formula(alpha, beta):
    features, keys = drawn(5, seed=1), drawn(12)
    f = features / features.norm(dim=1, keepdim=True)
    k = keys / keys.norm(dim=1, keepdim=True)
    w = ANCHORS.embeddings / ANCHORS.embeddings.norm(dim=1, keepdim=True)
    v = torch.eye(3)[LABELS]
    expected = 20 * f @ w.T + alpha * torch.exp(-beta * (1 - f @ k.T)) @ v
    torch.testing.assert_close(made(alpha=alpha, beta=beta)(features), expected)
    if (alpha, beta) == (1.0, 5.5):
        torch.testing.assert_close(made()(features), expected)


def test_without_weight_it_is_the_zero_shot_head():
    zero_shot = ZeroShotHead(CLASSES, anchors=ANCHORS)
    zero_shot.attach(DIM, CLASSES)
    features = drawn(5, seed=1)
    torch.testing.assert_close(made(alpha=0.0)(features), zero_shot(features))


@pytest.mark.parametrize(('trains', 'names'), [(False, []), (True, ['cache.keys'])])
def test_what_trains(trains, names):
    head = made(trains=trains, max_patches_per_class=3)
    assert [name for name, _ in head.named_parameters()] == names
    assert head.trained_parameters(DIM, 3) == (9 * DIM if trains else 0)
    assert sum(p.numel() for p in head.parameters()) == head.trained_parameters(DIM, 3)


def test_keys_that_train_start_as_the_training_free_form_and_get_gradients():
    head, features = made(trains=True), drawn(5, seed=1)
    torch.testing.assert_close(head(features), made()(features))
    torch.nn.functional.cross_entropy(head(features), torch.tensor([0, 1, 2, 0, 1])).backward()
    assert (head.cache.keys.grad.abs().sum(1) > 0).all()


def test_as_many_patches_of_a_class_as_in_the_paper_unless_another_number_is_given():
    head = made(fit=False)
    head.fit(drawn(60), torch.arange(60) % 3)
    assert torch.bincount(head.cache.labels).tolist() == [16] * 3


@pytest.mark.parametrize('trains', [False, True])
def test_a_fresh_head_takes_its_state(trains):
    head, features = made(trains=trains), drawn(5, seed=1)
    fresh = made(fit=False, trains=trains)
    fresh.make_room(head.state_dict())
    fresh.load_state_dict(head.state_dict(), strict=True)
    assert torch.equal(fresh(features), head(features))


def test_float32_under_autocast():
    head, features = made(), drawn(5, seed=1)
    with torch.autocast('cpu', torch.bfloat16):
        inside, low = head(features), head(features.bfloat16())
    assert torch.equal(inside, head(features)) and low.dtype == torch.float32


def test_errors():
    with pytest.raises(ConfigError, match=r'TipAdapterHead is made from .* cite train CONFIG'):
        made(fit=False)(drawn(2))
    with pytest.raises(ConfigError, match=r'alpha must be at least 0, found -0\.5'):
        made(alpha=-0.5)
    with pytest.raises(ConfigError, match='beta must be above 0, found 0'):
        made(beta=0)
