from __future__ import annotations

import copy
import math

import pytest
import torch
from tiny_models import CLASSES, tiny_anchors, tiny_classifier
from torch import nn

from cite.anchors import Anchors
from cite.errors import ConfigError
from cite.heads import HEADS
from cite.heads.text_embedding import TextEmbeddingHead


def made(**options) -> TextEmbeddingHead:
    return TextEmbeddingHead(CLASSES, anchors=tiny_anchors(), **options)


def test_logits_are_scaled_cosines():
    anchors, features = tiny_anchors().embeddings, torch.randn(5, 24)
    expected = torch.empty(5, 3)
    for i in range(5):
        for c in range(3):
            expected[i, c] = math.exp(2.0) * nn.functional.cosine_similarity(
                features[i], anchors[c], dim=0
            )
    torch.testing.assert_close(made(temperature=2.0)(features), expected)
    torch.testing.assert_close(made(temperature=2.0)(7 * features), expected)


def test_default_temperature_is_the_papers_hundred():
    anchors = tiny_anchors().embeddings
    assert made()(anchors).diag() == pytest.approx([100.003] * 3, rel=1e-5)


def test_learnable_temperature_trains():
    head = made(learnable_temperature=True)
    assert [name for name, _ in head.named_parameters()] == ['temperature']
    head(torch.randn(5, 24)).square().mean().backward()
    assert head.temperature.grad is not None
    assert head.temperature.grad.abs() > 0


def test_anchors_and_fixed_temperature_are_buffers_that_save_and_move():
    head = made(temperature=1.5)
    assert not list(head.parameters())
    assert set(head.state_dict()) == {'anchors', 'temperature'}
    other = Anchors(torch.zeros(3, 24), CLASSES)
    fresh = TextEmbeddingHead(CLASSES, anchors=other)
    fresh.load_state_dict(head.state_dict(), strict=True)
    x = torch.randn(2, 24)
    torch.testing.assert_close(fresh(x), head(x))
    assert copy.deepcopy(head).to('meta').anchors.device.type == 'meta'


@pytest.mark.parametrize('head', ['text', 'linear'])
def test_float32_under_autocast(head):
    if head == 'text':
        made_head = made()
    else:
        made_head = HEADS.build('LinearHead')
        made_head.attach(24, CLASSES)
    x = torch.randn(4, 24)
    with torch.autocast('cpu', torch.bfloat16):
        logits = made_head(x)
        low = made_head(x.bfloat16())
    assert logits.dtype == low.dtype == torch.float32
    assert torch.equal(logits, made_head(x))


def test_anchors_never_train():
    model = tiny_classifier(
        None,
        {'type': 'ProjectionNeck'},
        {'type': 'TextEmbeddingHead', 'texts': CLASSES, 'anchors': tiny_anchors()},
    )
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        'neck.weight',
        'neck.bias',
    }


def test_number_of_texts_and_sizes_are_checked():
    with pytest.raises(ConfigError, match=r'3 texts for 2 classes \(a, b\)'):
        made().attach(24, ('a', 'b'))
    with pytest.raises(ConfigError, match=r'anchors have 24 numbers \(made up\), the features 48'):
        made().attach(48, CLASSES)
    with pytest.raises(ConfigError, match='text_encoder'):
        TextEmbeddingHead(CLASSES)
    with pytest.raises(ConfigError, match="needs the option 'texts'"):
        HEADS.build({'type': 'TextEmbeddingHead'})


def test_encoder_by_name_gives_anchors_with_their_record():
    head = TextEmbeddingHead(CLASSES, 'random-bert-tiny')
    assert head.anchors.shape == (3, 128)
    assert head.provenance['model'] == 'random-bert-tiny'
    assert head.provenance['pooling'] == 'mean'
    assert not list(head.children())
