from __future__ import annotations

import pytest
import torch

from cite.errors import ConfigError
from cite.heads.prototype import PrototypeHead

CLASSES = ('a', 'b', 'c')


def drawn(count, seed=0, size=8):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed)) + 1


def made(**options) -> PrototypeHead:
    head = PrototypeHead(**options)
    head.attach(8, CLASSES)
    head.fit(drawn(30), torch.arange(30) % 3)
    return head


@pytest.mark.parametrize('transform', ['none', 'l2', 'cl2'])
def test_logits_are_squared_distances_to_the_means(transform):
    keys, features = drawn(30), drawn(5, seed=1)
    centre = keys.mean(0) if transform == 'cl2' else torch.zeros(8)

    def transformed(x):
        x = x - centre
        return x if transform == 'none' else x / x.norm()

    expected = torch.empty(5, 3)
    for c in range(3):
        mean = torch.stack([transformed(keys[i]) for i in range(c, 30, 3)]).mean(0)
        for i in range(5):
            expected[i, c] = -2.5 * (transformed(features[i]) - mean).square().sum()
    torch.testing.assert_close(made(transform=transform, scale=2.5)(features), expected)


def test_centring_parts_what_has_a_common_offset():
    """On features with a large common part, as towers give them, lengths alone say little."""
    offset = 50 * torch.ones(8)
    means = torch.eye(8)[:3] * 3
    labels = torch.arange(60) % 3
    features = offset + means[labels] + 0.1 * drawn(60, seed=2)
    gaps = {}
    for transform in ('l2', 'cl2'):
        head = PrototypeHead(transform)
        head.attach(8, CLASSES)
        head.fit(features, labels)
        best = head(features).topk(2).values
        gaps[transform] = float((best[:, 0] - best[:, 1]).mean())
        assert head(features).argmax(1).equal(labels)
    assert gaps['cl2'] > 100 * gaps['l2']


def test_nothing_trains_and_a_fresh_head_takes_its_state():
    head, features = made(), drawn(5, seed=1)
    assert not list(head.parameters()) and head.trained_parameters(8, 3) == 0
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        'prototypes': (3, 8),
        'mean': (8,),
    }
    fresh = PrototypeHead()
    fresh.attach(8, CLASSES)
    fresh.make_room(head.state_dict())
    fresh.load_state_dict(head.state_dict(), strict=True)
    assert torch.equal(fresh(features), head(features))


@pytest.mark.parametrize('state', [{}, {'prototypes': torch.zeros(2, 8)}, {'prototypes': 'text'}])
def test_a_state_of_other_classes_makes_no_room(state):
    head = PrototypeHead()
    head.attach(8, CLASSES)
    head.make_room(state)
    assert head.prototypes.shape == (0, 8)


def test_float32_under_autocast():
    features = drawn(5, seed=1)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(made()(features), made()(features.clone()))
        assert made()(features.bfloat16()).dtype == torch.float32


def test_a_class_without_patches_and_a_head_that_was_not_made():
    head = PrototypeHead()
    head.attach(8, CLASSES)
    with pytest.raises(ConfigError, match=r'PrototypeHead is made from .* cite train CONFIG'):
        head(drawn(2))
    with pytest.raises(ConfigError, match='a training patch of every class; there is none of b'):
        head.fit(drawn(4), torch.tensor([0, 2, 0, 2]))


def test_options_that_make_no_sense():
    with pytest.raises(ConfigError, match="transform must be one of none, l2, cl2, found 'l1'"):
        PrototypeHead('l1')
    for scale in (0, -1.0, '2'):
        with pytest.raises(ConfigError, match='scale must be above 0'):
            PrototypeHead(scale=scale)
