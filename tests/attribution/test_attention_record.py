from __future__ import annotations

import pytest
import torch
from explained_models import tower_of
from tiny_models import tiny_images
from torch import nn
from torch.nn import functional as F

from cite.attribution.attention_record import AttentionRecord, probabilities
from cite.attribution.passes import entering


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('fused', [True, False])
@pytest.mark.parametrize('options', [{}, {'qk_norm': True}], ids=['plain', 'norms'])
def test_probabilities_times_values_are_the_blocks_own_attention(fused, options):
    tower = tower_of('class token')
    if options:
        from explained_models import VITS
        from tiny_models import tiny_card, tiny_trunk

        tower = type(tower)(tiny_card(**VITS['class token'][1]), tiny_trunk(**options))
    attention = tower.blocks[1].attn
    attention.fused_attn = fused
    seen = []
    hook = attention.proj.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        tokens = entering(tower, tower.normalise(tiny_images(2)), 1)
        expected = tower.stages.block(1, tokens)
        with AttentionRecord() as record:
            out = tower.stages.block(1, tokens)
        values = attention.qkv(tower.blocks[1].norm1(tokens)).unflatten(2, (3, 3, 16))[:, :, 2]
    hook.remove()
    assert torch.equal(out, expected)
    (weights,) = record.weights
    mixed = (weights @ values.transpose(1, 2)).transpose(1, 2).flatten(2)
    torch.testing.assert_close(mixed, seen[1])
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 17))


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'scale': 0.3},
        {'is_causal': True},
        {'attn_mask': random(5, 5)},
        {'attn_mask': random(5, 5) + 5 * torch.eye(5) > 0},
        {'enable_gqa': True},
    ],
    ids=lambda options: next(iter(options), 'plain'),
)
def test_every_argument_of_the_kernel_counts(options):
    query, key, value = random(2, 4, 5, 8), 2 * random(2, 4, 5, 8), random(2, 4, 5, 8)
    if options.get('enable_gqa'):
        key, value = key[:, :2], value[:, :2]
    expected = F.scaled_dot_product_attention(query, key, value, **options)
    weights = probabilities(query, key, value, **options)
    values = value.repeat_interleave(4 // value.shape[1], 1)
    torch.testing.assert_close(weights @ values, expected)


def test_attention_that_asks_for_no_weights_leaves_them_too():
    layer = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True).eval()
    query, keys = random(1, 1, 8), random(1, 5, 6)
    with torch.no_grad():
        expected, weights = layer(query, keys, keys, average_attn_weights=False)
        with AttentionRecord() as record:
            out, _ = layer(query, keys, keys, need_weights=False)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(record.weights[0], weights)
