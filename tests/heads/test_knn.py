from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from cite.errors import ConfigError
from cite.heads.knn import KNNHead

CLASSES = ('a', 'b', 'c')


def drawn(count, seed=0, size=8):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def made(labels=None, **options) -> KNNHead:
    head = KNNHead(**options)
    head.attach(8, CLASSES)
    head.fit(drawn(30), torch.arange(30) % 3 if labels is None else labels)
    return head


@pytest.mark.parametrize('metric', ['cosine', 'euclidean'])
def test_shares_are_those_of_the_weighted_votes(metric):
    keys, features = drawn(30), drawn(5, seed=1)
    head = made(k=7, temperature=0.5, metric=metric)
    shares = torch.zeros(5, 3)
    for i in range(5):
        if metric == 'cosine':
            similarity = cosine_similarity(features[i : i + 1], keys)
        else:
            similarity = -(features[i] - keys).square().sum(1).sqrt()
        for row in similarity.argsort(descending=True)[:7].tolist():
            shares[i, row % 3] += math.exp(similarity[row] / 0.5)
    shares /= shares.sum(1, keepdim=True)
    torch.testing.assert_close(head(features).softmax(1), shares)


def test_logits_are_finite_where_a_class_has_no_neighbour_or_the_temperature_is_low():
    head = made(k=1, temperature=1e-4)
    logits = head(drawn(30))
    assert logits.isfinite().all()
    assert logits.argmax(1).tolist() == (torch.arange(30) % 3).tolist()
    assert logits.softmax(1).max(1).values == pytest.approx([1.0] * 30)


def test_fewer_training_patches_than_neighbours():
    head = KNNHead(k=20)
    head.attach(8, CLASSES)
    head.fit(drawn(2), torch.tensor([0, 2]))
    shares = head(drawn(4, seed=1)).softmax(1)
    assert (shares[:, [0, 2]] > 0).all() and (shares[:, 1] < 1e-6).all()


def test_cosine_does_not_hang_on_the_length_of_features():
    head, features = made(), drawn(5, seed=1)
    torch.testing.assert_close(head(features), head(9 * features))


def test_nothing_trains_and_a_fresh_head_takes_its_state():
    head, features = made(max_patches_per_class=4), drawn(5, seed=1)
    assert not list(head.parameters()) and head.trained_parameters(8, 3) == 0
    assert head.state_dict()['cache.keys'].shape == (12, 8)
    fresh = KNNHead()
    fresh.attach(8, CLASSES)
    fresh.make_room(head.state_dict())
    fresh.load_state_dict(head.state_dict(), strict=True)
    assert torch.equal(fresh(features), head(features))


def test_float32_under_autocast():
    head, features = made(), drawn(5, seed=1)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(head(features), made()(features))
        assert head(features.bfloat16()).dtype == torch.float32


def test_asked_before_it_was_made():
    head = KNNHead()
    head.attach(8, CLASSES)
    with pytest.raises(ConfigError, match=r'KNNHead is made from .* cite train CONFIG'):
        head(drawn(2))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'k': 0}, 'k must be a whole number of at least 1, found 0'),
        ({'k': 2.0}, r'k must be a whole number of at least 1, found 2\.0'),
        ({'temperature': 0}, 'temperature must be above 0, found 0'),
        ({'temperature': float('nan')}, 'temperature must be above 0, found nan'),
        ({'metric': 'dot'}, "metric must be one of cosine, euclidean, found 'dot'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=f'KNNHead: {message}'):
        KNNHead(**options)
