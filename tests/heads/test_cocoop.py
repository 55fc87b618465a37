from __future__ import annotations

import dataclasses

import pytest
import torch
from learned_words import (  # noqa: F401
    TEMPLATES,
    encoders,
    names_of,
    small_model,
    write_adapter,
)
from tiny_models import save_tiny_bert, tiny_images
from torch.nn.functional import cosine_similarity, normalize

from cite.adapter import read_adapter, save_adapter
from cite.errors import CheckpointError, ConfigError
from cite.frozen import trainable
from cite.heads.cocoop import CoCoOpHead
from cite.heads.coop import CoOpHead
from cite.model_card import model_card
from cite.serving.rebuild import load_adapter

# ruff: noqa: F811  (a fixture from another file)
KINDS = ('clip', 'bert')


def made(spec, kind, **options):
    head = CoCoOpHead(spec, **{'length': 3, **options})
    torch.manual_seed(1)
    head.attach(head.in_features, names_of(kind))
    return head


@pytest.mark.parametrize('kind', KINDS)
def test_each_image_shifts_the_vectors_of_coop(encoders, kind):
    head = made(encoders[kind], kind)
    features = torch.randn(4, head.in_features)
    with torch.no_grad():
        shifts = head.meta_net(normalize(features, dim=1))
    assert not torch.allclose(shifts[0], shifts[1])
    plain = CoOpHead(encoders[kind], length=3)
    plain.attach(plain.in_features, names_of(kind))
    expected = torch.empty(4, 2)
    for image, shift in enumerate(shifts):
        with torch.no_grad():
            plain.context.copy_(head.context + shift)
            cosines = cosine_similarity(features[image], plain.embeddings())
        expected[image] = head.temperature.exp() * cosines
    torch.testing.assert_close(head(features), expected, atol=1e-4, rtol=1e-5)


def test_without_a_shift_it_is_coop(encoders):
    options = {'init': TEMPLATES['bert'], 'length': None}
    head = made(encoders['bert'], 'bert', **options)
    plain = CoOpHead(encoders['bert'], init=TEMPLATES['bert'])
    plain.attach(plain.in_features, names_of('bert'))
    with torch.no_grad():
        head.meta_net[2].weight.zero_()
        head.meta_net[2].bias.zero_()
    features = torch.randn(3, head.in_features)
    torch.testing.assert_close(head(features), plain(features), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_only_vectors_and_network_train(encoders, kind):
    head = made(encoders[kind], kind)
    weights = trainable(head)
    assert head.trained_parameters(head.in_features, 2) == sum(w.numel() for w in weights.values())
    assert {name.split('.')[0] for name in weights} == {'context', 'meta_net'}
    with torch.no_grad():
        head.meta_net[0].bias.fill_(1)  # a single hidden unit, which must let gradients through
    head.train()
    head(torch.randn(4, head.in_features)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in weights.values())
    assert all(p.grad is None for p in head.tower.parameters())
    assert head.tower.frozen_stands()


@pytest.mark.parametrize('at_once', [1, 4])
def test_few_texts_at_once_give_the_same_gradients(encoders, monkeypatch, at_once):
    features, gradients, sizes = torch.randn(5, 24), [], []
    for texts_at_once in (256, at_once):
        head = made(encoders['bert'], 'bert', texts_at_once=texts_at_once)
        real = head.tower.with_words
        monkeypatch.setattr(
            head.tower,
            'with_words',
            lambda tokens, put, real=real: (
                sizes.append(len(tokens['input_ids'])) or real(tokens, put)
            ),
        )
        head(features).square().sum().backward()
        gradients.append([weight.grad for weight in trainable(head).values()])
    assert sizes[0] == 10 and max(sizes[1:]) == max(2, at_once)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-3)


def test_wide_enough_network_for_any_features(encoders):
    assert made(encoders['bert'], 'bert').meta_net[0].out_features == 1  # 24 features


def test_what_does_not_fit_is_told(encoders):
    for wrong in (0, 2.5):
        with pytest.raises(ConfigError, match='texts_at_once must be'):
            CoCoOpHead(encoders['bert'], texts_at_once=wrong)
    with pytest.raises(ConfigError, match='trust_remote_code cannot be set'):
        CoCoOpHead({**encoders['bert'], 'trust_remote_code': True})
    with pytest.raises(ConfigError, match='spec or a name'):
        CoCoOpHead(object())


def adapter(folder, encoder):
    head = {'type': 'CoCoOpHead', 'text_encoder': encoder, 'length': 2}
    model, cfg = small_model(head)
    return write_adapter(folder / 'adapter.safetensors', model, cfg), model


@pytest.mark.parametrize('kind', KINDS)
def test_an_adapter_names_its_text_encoder_and_loads_it(encoders, tmp_path, kind):
    if kind == 'clip':
        encoder = {'model': 'random-bert-tiny'}
    else:
        encoder = {**encoders['bert'], 'leftovers': ['x.*']}
    path, model = adapter(tmp_path, encoder)
    loaded, info = load_adapter(path)
    images = tiny_images(3)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), model(images), atol=1e-5, rtol=1e-5)
    assert info.head['text_encoder'] == {k: v for k, v in encoder.items() if k != 'leftovers'}
    assert path.stat().st_size < 300_000  # no text tower
    assert encoder['model'].strip('/') in model_card(info).replace('\\', '')


def test_an_adapter_refuses_another_text_encoder(tmp_path):
    folder = save_tiny_bert(tmp_path / 'bert')
    path, _ = adapter(tmp_path, {'model': str(folder)})
    load_adapter(path)
    save_tiny_bert(folder, seed=1)
    with pytest.raises(CheckpointError, match='trained with another text encoder'):
        load_adapter(path)


@pytest.mark.parametrize(
    ('encoder', 'message'),
    [
        ({'model': 'x/y', 'trust_remote_code': True}, 'has trust_remote_code'),
        ({'model': 'x/y', 'weights': '/etc/passwd'}, 'has weights'),
        ({'model': 'x/y', 'tokenizer': 'z'}, 'has tokenizer'),
        ({'model': 'x/y', 'pooling': ['cls']}, 'no plain values'),
        ({'type': 'TextEncoder'}, 'names no model'),
        ('random-bert-tiny', 'names no model'),
        (None, 'names no model'),
    ],
)
def test_a_foreign_adapter_cannot_ask_for_more_than_a_name(tmp_path, encoder, message):
    path, _ = adapter(tmp_path, {'model': 'random-bert-tiny'})
    info, state = read_adapter(path)
    state = {name: tensor.clone() for name, tensor in state.items()}
    for kind in ('CoCoOpHead', 'CoOpHead'):
        head = {**info.head, 'type': kind, 'text_encoder': encoder}
        save_adapter(path, state, dataclasses.replace(info, head=head))
        with pytest.raises(CheckpointError, match=message if kind == 'CoCoOpHead' else 'head has'):
            load_adapter(path)
