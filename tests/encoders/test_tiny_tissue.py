"""The pair that comes with the library: small, whole, described, better than chance at what it learned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

import cite
from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.tissue import open_slide
from cite.encoders.cards.tiny_tissue import FOLDER
from cite.encoders.zoo import get_card

FILES = {
    'vision.safetensors': 3_000_000,
    'text/model.safetensors': 3_000_000,
}


@pytest.mark.parametrize(('name', 'most'), FILES.items())
def test_weights_are_few_and_in_half_precision(name, most):
    with safe_open(FOLDER / name, 'np') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert sum(value.size for value in tensors.values()) <= most
    floats = {value.dtype for value in tensors.values() if value.dtype.kind == 'f'}
    assert floats == {np.dtype(np.float16)}
    assert all(np.isfinite(value).all() for value in tensors.values())


def test_the_folder_is_small_and_described():
    size = sum(path.stat().st_size for path in FOLDER.rglob('*') if path.is_file())
    assert size <= 12 * 2**20
    card = (FOLDER / 'CARD.md').read_text(encoding='utf-8')
    for said in ('not for diagnosis', 'tools/tiny_tissue.py', 'Seed 0'):
        assert said in card
    about = json.loads((FOLDER / 'pair.json').read_text(encoding='utf-8'))
    assert len(about['first_losses']) == 50 and about['first_losses'][0] > 3


def test_both_halves_are_those_of_the_pair():
    pair = cite.load_pair('tiny-tissue')
    patch = open_slide(5, Grade.WELL, 0, 'unseen').patch(0, 300)
    image = cite.load_vision('tiny-tissue').encode_images([patch])
    text = cite.load_text('tiny-tissue').encode_text(['No necrosis.']).numpy()
    np.testing.assert_allclose(pair.encode_images([patch], normalise=False), image, atol=1e-5)
    np.testing.assert_allclose(pair.encode_text(['No necrosis.'], normalise=False), text, atol=1e-5)
    assert pair.dim == get_card('tiny-tissue').feature_dim == 192
    assert 1 < float(pair.scale) <= 100.01


def test_it_calls_what_comes_with_it_by_its_name():
    assert cite.load_text('tiny-tissue').settings()['model'] == 'tiny-tissue'
    assert 'sha256' in cite.load_text('tiny-tissue').fingerprint()


def test_words_it_has_never_met_are_spelt():
    encoder = cite.load_text('tiny-tissue').tower()
    tokens = encoder.tokenize(['squamous keratinising jaw biopsy 12x'])['input_ids'][0].tolist()
    assert encoder.tokenizer.unk_token_id not in tokens


def test_it_tells_glands_from_none_on_stains_it_has_not_seen():
    """Chance is one half; 24 slides keep this fast, docs/benchmarks.md has the figures."""
    pair = cite.load_pair('tiny-tissue')
    slides = [(g, n) for g in (Grade.WELL, Grade.POORLY) for n in range(12)]
    images = pair.encode_images([open_slide(11, g, n, 'unseen').patch(0, 300) for g, n in slides])
    texts = pair.encode_text(
        ['Well differentiated tubular adenocarcinoma.', 'Poorly differentiated adenocarcinoma.']
    )
    said = (images @ texts.T).argmax(1)
    truth = np.array([0] * 12 + [1] * 12)
    assert (said == truth).mean() >= 0.75
