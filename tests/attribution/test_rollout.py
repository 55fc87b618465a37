from __future__ import annotations

import numpy as np
import pytest
import torch
from explained_models import VITS, model_of, tower_of
from tiny_models import tiny_images

from cite.attribution import explain
from cite.attribution.attention_record import AttentionRecord
from cite.attribution.methods.rollout import _rollout, _with_prompts
from cite.attribution.passes import entering
from cite.errors import ModelError


def image(side=32):
    return (tiny_images(1, side)[0] * 255).byte()


def by_hand(tower, pixels):
    """Products of (A + 1) / 2, as the paper writes it, first block rightmost."""
    images = tower.normalise(pixels)
    product = None
    for index in range(tower.depth):
        tokens = entering(tower, images, index)
        with AttentionRecord() as record:
            tower.stages.block(index, tokens)
        attention = record.weights[0][0].double().mean(0).numpy()
        step = (attention + np.eye(len(attention))) / 2
        step /= step.sum(1, keepdims=True)
        product = step if product is None else step @ product
    return product


@torch.no_grad()
def test_it_is_the_product_of_the_papers_matrices():
    for kind, rows in (('class token', [0]), ('no class token', range(16))):
        tower = tower_of(kind)
        pixels = tiny_images(1)
        expected = by_hand(tower, pixels)[list(rows)].mean(0)
        found = _rollout(tower, tower.normalise(pixels)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize('kind', [*VITS, 'attentional pooling'])
def test_shares_of_all_tokens_make_one(kind):
    tower = tower_of(kind)
    with torch.no_grad():
        shares = _rollout(tower, tower.normalise(tiny_images(1)))
    assert shares.sum().item() == pytest.approx(1, abs=1e-5) and (shares >= 0).all()
    found = explain(model_of(kind), image(), method='rollout')
    assert found.grid.shape == (4, 4) and found.class_name is None and not found.signed


def test_where_a_pooling_looks_it_counts():
    """An attentional pooling whose query meets one key passes on that token's shares alone."""
    tower = tower_of('attentional pooling')
    with torch.no_grad():
        tower.trunk.attn_pool.ln_k.weight.zero_()  # all keys alike: the mean of all tokens
        even = _rollout(tower, tower.normalise(tiny_images(1)))
        expected = by_hand(tower, tiny_images(1)).mean(0)
    np.testing.assert_allclose(even.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize('layers', ['shallow', 'deep', [1]])
def test_what_comes_from_prompts_is_no_patchs_share(layers):
    prompt = {'type': 'VisualPrompt', 'length': 3, 'layers': layers, 'init': 'normal'}
    tower = tower_of('class token', prompt)
    with torch.no_grad():
        shares = _rollout(tower, tower.normalise(tiny_images(1)))
    assert shares.shape == (17,) and 0 < shares.sum() < 1 - 1e-3


def test_prompts_that_are_replaced_have_heard_nothing():
    flow = torch.rand(6, 4)  # class token, two prompts, three patches
    before = torch.rand(1, 6, 8)
    after = before.clone()
    assert torch.equal(_with_prompts(flow, before, after, 1), flow)
    after[:, 1] += 1
    fresh = _with_prompts(flow, before, after, 1)
    assert not fresh[1].any() and torch.equal(fresh[[0, 2, 3, 4, 5]], flow[[0, 2, 3, 4, 5]])


@pytest.mark.parametrize('kind', ['swin', 'resnet', 'in one piece'])
def test_towers_without_attention_over_all_say_what_can_be_done(kind):
    with pytest.raises(ModelError, match=r"tiny is .*rollout needs .*use .*'gradients'"):
        explain(model_of(kind), image(64), method='rollout')
