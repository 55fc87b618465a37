from __future__ import annotations

import copy

import pytest
import tiny_language_models
import torch
from learned_words import (  # noqa: F401
    NAMES,
    TEMPLATES,
    encoders,
    names_of,
    small_model,
    write_adapter,
)
from tiny_models import save_tiny_bert, tiny_images

from cite.errors import CheckpointError, ConfigError, ModelError
from cite.frozen import trainable
from cite.heads.coop import CoOpHead
from cite.heads.text_embedding import TextEmbeddingHead
from cite.heads.zero_shot import ZeroShotHead
from cite.serving.rebuild import load_adapter

# ruff: noqa: F811  (a fixture from another file)
KINDS = ('clip', 'bert')


def made(spec, kind, **options):
    head = CoOpHead(spec, **options)
    head.attach(head.in_features, names_of(kind))
    return head


@pytest.mark.parametrize('own', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_untrained_words_of_a_template_are_zero_shot_with_it(encoders, kind, own):
    head = made(encoders[kind], kind, init=TEMPLATES[kind], class_specific=own)
    zero = ZeroShotHead(names_of(kind), encoders[kind], template=TEMPLATES[kind])
    assert head.context.shape == ((2,) if own else ()) + (2, head.width)
    torch.testing.assert_close(head.embeddings(), zero.anchors, atol=1e-5, rtol=1e-5)
    features = torch.randn(3, head.in_features)
    torch.testing.assert_close(head(features), zero(features), atol=1e-4, rtol=1e-5)
    with torch.no_grad():
        head.context[..., 0, :] += torch.randn(head.width)
    assert not torch.allclose(head.embeddings(), zero.anchors, atol=1e-2)


@pytest.mark.parametrize('kind', tiny_language_models.KINDS)
def test_towers_with_other_marks_around_a_text(tmp_path, kind):
    """Marks on both sides, in front only, behind only, or none."""
    folder = tiny_language_models.save_language_model(tmp_path / kind, kind)
    spec = {'model': str(folder), 'pooling': 'mean'}
    names = ('well differentiated', 'gland')
    head = CoOpHead(spec, init='the stomach {} carcinoma')
    head.attach(head.in_features, names)
    assert head.length == 2
    zero = ZeroShotHead(names, spec, template='the stomach {} carcinoma')
    torch.testing.assert_close(head.embeddings(), zero.anchors, atol=1e-5, rtol=1e-4)
    head.embeddings().square().sum().backward()
    assert (head.context.grad.abs().sum(1) > 0).all()


def test_an_error_on_the_way_leaves_the_tower_as_it_was(encoders):
    head = made(encoders['bert'], 'bert', length=2)
    tokens = head.tower.tokenize(['the stomach'])
    before = head.tower(tokens)
    with pytest.raises(RuntimeError):
        head.prompted(head.tower, torch.zeros(2, 2, head.width + 1))
    assert torch.equal(head.tower(tokens), before)


def test_words_alone_are_followed_by_the_name_and_a_full_stop(encoders):
    head = made(encoders['clip'], 'clip', init='a p')
    zero = ZeroShotHead(names_of('clip'), encoders['clip'], template='a p {}.')
    torch.testing.assert_close(head.embeddings(), zero.anchors, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_random_vectors_take_the_place_of_words(encoders, kind):
    head = made(encoders[kind], kind, length=5)
    one = made(encoders[kind], kind, length=1)
    ids, short = head.prompted.input_ids, one.prompted.input_ids
    assert ids.shape[1] == short.shape[1] + 4
    assert torch.equal(ids[:, 6:], short[:, 2:])
    assert torch.equal(ids[:, :1], short[:, :1])
    # the place of the vectors is theirs alone: what token holds it makes no difference
    before = head.embeddings()
    head.prompted.input_ids[:, 1:6] = ids[0, 6]
    assert torch.equal(head.embeddings(), before)


@pytest.mark.parametrize('own', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_only_the_vectors_train(encoders, kind, own):
    head = made(encoders[kind], kind, length=3, class_specific=own)
    weights = trainable(head)
    assert list(weights) == ['context']
    assert head.trained_parameters(head.in_features, 2) == head.context.numel()
    assert head.context.numel() == 3 * head.width * (2 if own else 1)
    before = head.context.detach().clone()
    optimizer = torch.optim.SGD(weights.values(), lr=0.1)
    head.train()
    loss = torch.nn.functional.cross_entropy(
        head(torch.randn(4, head.in_features)), torch.tensor([0, 1, 0, 1])
    )
    loss.backward()
    assert (head.context.grad.abs().sum(-1) > 0).all()
    assert all(p.grad is None for p in head.tower.parameters())
    optimizer.step()
    assert not torch.equal(head.context, before)
    assert head.tower.frozen_stands()
    assert not any(module.training for module in head.tower.trunk.modules())


def test_embeddings_are_computed_once_until_the_vectors_change(encoders, monkeypatch):
    head = made(encoders['bert'], 'bert', length=2).eval()
    calls, real = [], head.tower.with_words
    monkeypatch.setattr(head.tower, 'with_words', lambda *a: calls.append(1) or real(*a))
    features = torch.randn(2, head.in_features)
    with torch.inference_mode():
        first = head(features)
        assert torch.equal(head(features), first)
    assert len(calls) == 1
    head.train()
    head(features).sum().backward()
    assert len(calls) == 2
    torch.optim.SGD([head.context], lr=1.0).step()
    head.eval()
    with torch.no_grad():
        assert not torch.allclose(head(features), first)
        assert len(calls) == 3
        head.load_state_dict({**head.state_dict(), 'context': torch.zeros(2, head.width)})
        other = head(features)
    assert len(calls) == 4
    torch.testing.assert_close(other, head(features).detach())


def test_scale_is_the_pairs(encoders):
    assert made(encoders['clip'], 'clip', length=1).temperature.item() == pytest.approx(3.25)
    assert made(encoders['bert'], 'bert', length=1).temperature.item() == pytest.approx(4.6052)


def test_checkpoints_hold_no_text_tower_and_load_again(encoders):
    head = made(encoders['bert'], 'bert', length=3)
    state = copy.deepcopy(head.state_dict())
    assert set(state) == {'context', 'temperature', 'identity'}
    fresh = made(encoders['bert'], 'bert', length=3)
    assert not torch.equal(fresh.context, head.context)
    fresh.load_state_dict(state, strict=True)
    features = torch.randn(2, head.in_features)
    assert torch.equal(fresh(features), head(features))


def test_checkpoints_of_another_encoder_or_other_names_are_refused(encoders, tmp_path):
    state = made(encoders['bert'], 'bert', length=3).state_dict()
    other = {**encoders['bert'], 'model': str(save_tiny_bert(tmp_path / 'other', seed=1))}
    with pytest.raises(CheckpointError, match='trained with another text encoder'):
        made(other, 'bert', length=3).load_state_dict(state)
    with pytest.raises(CheckpointError, match='other class names'):
        made(encoders['bert'], 'bert', length=3, names=['gland', 'the']).load_state_dict(state)


def test_an_adapter_needs_no_text_encoder(tmp_path, monkeypatch):
    head = {'type': 'CoOpHead', 'text_encoder': {'model': 'random-bert-tiny'}, 'length': 4}
    model, cfg = small_model(head)
    path = write_adapter(tmp_path / 'adapter.safetensors', model, cfg)
    images = tiny_images(3)
    with torch.inference_mode():
        expected = model(images)
    monkeypatch.setattr('cite.encoders.text.bert.TextEncoder._load', None)
    loaded, info = load_adapter(path)
    assert type(loaded.head) is TextEmbeddingHead
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), expected, atol=1e-5, rtol=1e-5)
    assert info.head == {
        'type': 'TextEmbeddingHead',
        'texts': [f'[4 learned vectors] {name}' for name in NAMES],
    }
    assert info.anchors['model'] == 'random-bert-tiny'
    assert info.anchors['learned'] == {'length': 4, 'init': None, 'class_specific': False}
    assert path.stat().st_size < 200_000


def test_building_leaves_the_random_state_alone(encoders):
    state = torch.get_rng_state()
    CoOpHead(encoders['clip'])
    assert torch.equal(torch.get_rng_state(), state)


def test_float32_under_autocast(encoders):
    head = made(encoders['bert'], 'bert', length=2)
    features = torch.randn(3, head.in_features)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(head(features), head(features.float()))
    assert torch.equal(head(features), head.eval()(features))


def test_what_does_not_fit_is_told(encoders):
    bert = encoders['bert']
    with pytest.raises(ConfigError, match='CoOpHead needs a text_encoder'):
        CoOpHead()
    for wrong in ({'length': 0}, {'length': 2, 'init': 'the'}, {'length': 1.5}):
        with pytest.raises(ConfigError, match='length must be a whole number'):
            CoOpHead(bert, **wrong)
    with pytest.raises(ConfigError, match=r'words and then \{\}'):
        CoOpHead(bert, init='{} glands')
    with pytest.raises(ConfigError, match='3 names for 2 classes'):
        made(bert, 'bert', names=['well', 'poorly', 'the'])
    with pytest.raises(ConfigError, match=r'the texts have 24 features .* the images 48'):
        CoOpHead(bert, length=1).attach(48, NAMES)
    with pytest.raises(ConfigError, match=r'10000000000000 learned vectors .* takes 16'):
        made(bert, 'bert', length=10**13)


def test_a_model_that_looks_up_nothing_is_refused(encoders, monkeypatch):
    """Its vectors would train on nothing."""
    head = made(encoders['bert'], 'bert', length=2)
    other = torch.nn.Embedding(3, head.width)
    monkeypatch.setattr(head.tower.trunk, 'get_input_embeddings', lambda: other)
    with pytest.raises(ModelError, match='looks its tokens up 0 times, expected once'):
        head.embeddings()
