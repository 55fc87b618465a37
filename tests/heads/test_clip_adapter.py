from __future__ import annotations

import math

import pytest
import torch
from tiny_models import CLASSES, tiny_anchors
from torch.nn.functional import normalize

from cite.anchors import Anchors
from cite.errors import ConfigError
from cite.heads.clip_adapter import CLIPAdapterHead
from cite.heads.zero_shot import ZeroShotHead

DIM = 24
ANCHORS = Anchors(tiny_anchors(DIM).embeddings, CLASSES, {'logit_scale': math.log(20)})


def drawn(count, seed=0):
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def made(cls=CLIPAdapterHead, **options):
    torch.manual_seed(0)
    head = cls(CLASSES, anchors=ANCHORS, **options)
    head.attach(DIM, CLASSES)
    return head


def test_the_formula():
    head, features = made(), drawn(5)
    w1, w2 = head.down.weight, head.up.weight
    assert w1.shape == (DIM // 4, DIM) and w2.shape == (DIM, DIM // 4)
    adapted = (w2 @ (w1 @ features.T).clamp(min=0)).clamp(min=0).T
    mixed = 0.2 * adapted + 0.8 * features
    expected = 20 * normalize(mixed, dim=1) @ normalize(ANCHORS.embeddings, dim=1).T
    torch.testing.assert_close(head(features), expected)


def test_without_its_share_it_is_the_zero_shot_head():
    features = drawn(5)
    torch.testing.assert_close(made(alpha=0.0)(features), made(ZeroShotHead)(features))
    assert not torch.allclose(made()(features), made(ZeroShotHead)(features))


@pytest.mark.parametrize('reduction', [1, 4, 5, 100])
def test_the_formula_is_what_trains_and_all_of_it_gets_gradients(reduction):
    head = made(reduction=reduction)
    trained = sum(p.numel() for p in head.parameters())
    assert head.trained_parameters(DIM, 3) == trained == 2 * DIM * max(1, DIM // reduction)
    torch.nn.functional.cross_entropy(head(drawn(30)), torch.arange(30) % 3).backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())
    assert 'anchors' in head.state_dict() and 'anchors' not in dict(head.named_parameters())


def test_float32_under_autocast():
    head, features = made(), drawn(5)
    with torch.autocast('cpu', torch.bfloat16):
        inside, low = head(features), head(features.bfloat16())
    assert torch.equal(inside, head(features)) and low.dtype == torch.float32


def test_options_that_make_no_sense():
    for alpha in (-0.1, 1.1, 'half'):
        with pytest.raises(ConfigError, match='alpha must be between 0 and 1'):
            made(alpha=alpha)
    for reduction in (0, 2.5):
        with pytest.raises(ConfigError, match='reduction must be a whole number of at least 1'):
            made(reduction=reduction)
