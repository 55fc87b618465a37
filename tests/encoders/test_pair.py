"""A pair of towers: unit features, projections, images and texts of all kinds, weights from nothing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import WIDTH, save_tiny_bert, tiny_images, tiny_tower

from cite.encoders.pair import Pair, build_pair
from cite.encoders.text.bert import TextEncoder
from cite.errors import ConfigError, DataError, ModelError
from cite.frozen import trainable

TEXTS = ['well tubular gland', 'gland', 'poorly of the stomach']
VISION = {'model': 'random-vit-tiny', 'image_size': 32}
TEXT = {'model': 'random-bert-tiny', 'pooling': 'mean'}


@pytest.fixture(scope='module')
def bert(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp('models') / 'bert', hidden_size=WIDTH)


@pytest.fixture
def pair(bert):
    """Tiny towers, with trained projections or without."""

    def make(dim: int | None = None, **options):
        torch.manual_seed(0)
        return Pair(tiny_tower(), TextEncoder(str(bert), 'cls').tower(), dim, **options).eval()

    return make


def pictures(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (40, 36, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize('dim', [None, 5])
def test_features_are_the_projected_towers_of_unit_length(pair, dim):
    both = pair(dim)
    images, tokens = tiny_images(3), both.text.tokenize(TEXTS)
    for found, tower, projection in (
        (both.image_features(images), both.vision(images), both.image_projection),
        (both.text_features(tokens), both.text(tokens), both.text_projection),
    ):
        expected = tower if dim is None else tower @ projection.weight.T
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(found, expected)
        assert found.shape == (3, both.dim) and both.dim == (dim or WIDTH)
        assert found.dtype == torch.float32
    names = {'image_projection.weight', 'text_projection.weight'} if dim else set()
    assert trainable(both).keys() == {'log_scale', *names}


def test_projections_begin_with_the_std_of_clips(pair):
    both = pair(2000)
    for layer in (both.image_projection, both.text_projection):
        assert layer.bias is None
        assert layer.weight.std().item() == pytest.approx(WIDTH**-0.5, rel=0.02)


def test_images_come_in_many_forms(pair, tmp_path):
    both, arrays = pair(5), pictures()
    expected = both.encode_images(arrays)
    assert expected.shape == (3, 5) and expected.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, rtol=1e-6)
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f'{number}.png')
    forms = [
        [tmp_path / f'{number}.png' for number in range(3)],
        [Image.fromarray(array) for array in arrays],
        (array for array in arrays),
        [torch.from_numpy(array).permute(2, 0, 1) for array in arrays],
    ]
    for images in forms:
        np.testing.assert_allclose(
            both.encode_images(images), expected, atol=1e-3
        )  # resizing rounds
    np.testing.assert_allclose(both.encode_images(arrays, batch_size=2), expected, atol=1e-6)
    np.testing.assert_allclose(both.encode_images(arrays[1]), expected[1:2], atol=1e-6)
    raw = both.encode_images(arrays, normalise=False)
    assert not np.allclose(np.linalg.norm(raw, axis=1), 1)
    np.testing.assert_allclose(
        raw / np.linalg.norm(raw, axis=1, keepdims=True), expected, atol=1e-6
    )
    assert both.encode_images([]).shape == (0, 5)
    with pytest.raises(DataError, match=r'gone\.png'):
        both.encode_images([tmp_path / 'gone.png'])


def test_texts_are_encoded_as_in_training(pair):
    both = pair(5)
    found = both.encode_text(TEXTS)
    expected = both.text_features(both.text.tokenize(TEXTS)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(both.encode_text(TEXTS, batch_size=2), expected, atol=1e-5)
    raw = both.encode_text(TEXTS, normalise=False)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), found, atol=1e-6)
    longer = 'gland ' * 20
    with pytest.raises(ConfigError, match='longer than the 16'):
        both.encode_text([longer])
    cut = both.encode_text([longer], truncate=True)
    np.testing.assert_allclose(cut, both.encode_text(['gland ' * 14]), atol=1e-6)
    for form in (iter(TEXTS), tuple(TEXTS), np.array(TEXTS)):
        np.testing.assert_allclose(both.encode_text(form), expected, atol=1e-6)
    np.testing.assert_allclose(both.encode_text(TEXTS[0]), expected[:1], atol=1e-5)
    with pytest.raises(ConfigError, match='must be a list'):
        both.text.encode_text(iter(TEXTS))
    for texts in ([], '', ['']):
        with pytest.raises(ConfigError, match='text'):
            both.encode_text(texts)


def test_encoding_is_without_dropout_and_leaves_the_mode(bert):
    noisy = save_tiny_bert(bert.parent / 'noisy', hidden_dropout_prob=0.5)
    pair = build_pair(VISION, {'model': str(noisy), 'tuning': 'FullFineTuning'}, 5).train()
    tokens = pair.text.tokenize(TEXTS)
    assert not torch.equal(pair.text_features(tokens), pair.text_features(tokens))
    assert np.array_equal(pair.encode_text(TEXTS), pair.encode_text(TEXTS))
    pair.encode_images(pictures(1))
    assert pair.training and pair.text.training and pair.vision.training


def test_scale_and_bias_are_trained_numbers(pair):
    both = pair(scale=10.0, bias=-10.0)
    assert both.scale.item() == pytest.approx(10)
    assert trainable(both).keys() == {'log_scale', 'bias'}
    assert pair().scale.item() == pytest.approx(1 / 0.07) and pair().bias is None
    both.log_scale.data.fill_(5.0)
    both.limit_scale()
    assert both.scale.item() == pytest.approx(100)
    both.log_scale.data.fill_(1.0)
    both.limit_scale()
    assert both.log_scale.item() == 1.0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'scale': 0.0}, 'scale > 0'),
        ({'scale': -1.0}, 'scale > 0'),
        ({'dim': 0}, 'dim of at least 1'),
    ],
)
def test_numbers_that_cannot_be_are_refused(pair, options, message):
    with pytest.raises(ConfigError, match=message):
        pair(**options)


def test_features_of_two_lengths_need_a_common_space():
    message = 'random-vit-tiny gives 192 features and random-bert-tiny 128: .*such as dim=512'
    with pytest.raises(ConfigError, match=message):
        build_pair(VISION, TEXT)


@pytest.mark.parametrize(
    ('vision', 'text', 'message'),
    [
        ({**VISION, 'modle': 1}, TEXT, "vision tower has no option 'modle'"),
        (VISION, {**TEXT, 'modle': 1}, "TextEncoder has no option 'modle'"),
        ({}, TEXT, "vision tower needs the option 'model'"),
        (VISION, {}, "needs the option 'model'"),
        (VISION, {**TEXT, 'type': 'Bert'}, "no text encoder called 'Bert'"),
        (VISION, {**TEXT, 'tuning': 'Lora'}, "no tuning called 'Lora'.*LoRA"),
    ],
)
def test_unknown_options_are_named(vision, text, message):
    with pytest.raises(ConfigError, match=message):
        build_pair(vision, text, 5)


# Towers from nothing


@pytest.fixture
def empty(bert, tmp_path):
    """A folder with the architecture and the tokenizer of a model, without weights."""
    folder = shutil.copytree(bert, tmp_path / 'empty')
    (folder / 'model.safetensors').unlink()
    return folder


def test_a_text_model_from_nothing_needs_no_weights(empty, bert):
    with pytest.raises(ModelError, match='could not be loaded'):
        TextEncoder(str(empty)).encode_text(TEXTS)
    state = torch.get_rng_state()
    made = [TextEncoder(str(empty), pretrained=False) for _ in range(2)]
    first, second = (encoder.encode_text(TEXTS) for encoder in made)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert made[0].fingerprint() == made[1].fingerprint()
    assert made[0].provenance()['pooling'] == 'mean'  # its pooler is random
    pretrained = TextEncoder(str(bert), 'mean')
    assert not torch.allclose(first, pretrained.encode_text(TEXTS))
    settings = TextEncoder(str(empty)).settings(), made[0].settings()
    assert settings[0] != settings[1] and settings[1]['pretrained'] is False


def test_both_towers_from_nothing_train_and_are_the_same_in_two_builds(empty):
    full = {'pretrained': False, 'tuning': 'FullFineTuning'}
    pairs = [
        build_pair({**VISION, **full}, {'model': str(empty), 'pooling': 'mean', **full}, 5)
        for _ in range(2)
    ]
    assert pairs[0].vision.digest == pairs[1].vision.digest
    assert pairs[0].text.digest == pairs[1].text.digest
    names = trainable(pairs[0])
    assert any(name.startswith('vision.trunk.') for name in names)
    assert any(name.startswith('text.trunk.') for name in names)
    assert not any('pooler' in name for name in names)  # a mean does not pass through it
