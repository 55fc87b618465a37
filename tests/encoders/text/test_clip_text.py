from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_clip import save_tiny_clip

from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.text.openai_clip import text_tower
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.heads.zero_shot import ZeroShotHead

TEXTS = ['gland', 'a tubular gland', 'no gland at all here']


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp('models') / 'clip')


def transformers_features(folder, text):
    from transformers import AutoTokenizer, CLIPModel

    tokenizer, model = AutoTokenizer.from_pretrained(folder), CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        out = model.eval().get_text_features(**tokenizer(text, return_tensors='pt'))
    return getattr(out, 'pooler_output', out)[0]


def test_equals_transformers_text_features(clip):
    vectors = CLIPTextEncoder(str(clip)).encode_text(TEXTS, batch_size=2)
    assert vectors.shape == (3, 12)
    assert not vectors.requires_grad
    for text, vector in zip(TEXTS, vectors, strict=True):
        torch.testing.assert_close(vector, transformers_features(clip, text), rtol=1e-4, atol=1e-5)
    assert torch.cdist(vectors, vectors)[0, 1:].min() > 1e-2


def test_records_the_logit_scale(clip):
    record = CLIPTextEncoder(str(clip)).provenance()
    assert record['logit_scale'] == pytest.approx(3.25)
    assert record['model'] == str(clip)
    assert record['fingerprint'].startswith('sha256 ')


def test_zero_shot_head_uses_template_and_logit_scale(clip):
    spec = {'type': 'CLIPTextEncoder', 'model': str(clip)}
    head = ZeroShotHead(['gland', 'fat'], spec, template='a {}.')
    expected = CLIPTextEncoder(str(clip)).encode_text(['a gland.', 'a fat.'])
    torch.testing.assert_close(head.anchors, expected)
    assert head.temperature.item() == pytest.approx(3.25)
    assert not list(head.parameters())
    again = ZeroShotHead(['gland', 'fat'], spec, template='a {}.')  # from the cache
    assert again.temperature.item() == pytest.approx(3.25)


def test_wrong_templates_and_texts(clip):
    spec = {'type': 'CLIPTextEncoder', 'model': str(clip)}
    with pytest.raises(ConfigError, match='template'):
        ZeroShotHead(['gland', 'fat'], spec, template='a photo')
    with pytest.raises(ConfigError, match='list with one string per class'):
        ZeroShotHead('gland', spec)
    with pytest.raises(ConfigError, match='text_encoder'):
        ZeroShotHead(['gland', 'fat'])


def test_long_and_empty_texts(clip):
    encoder = CLIPTextEncoder(str(clip))
    with pytest.raises(ConfigError, match='longer than the 24 that'):
        encoder.encode_text(['gland', 'g ' * 23])
    with pytest.raises(ConfigError, match='empty text'):
        encoder.encode_text(['gland', ''])


def test_a_tower_that_is_missing_or_incomplete_is_refused(clip, tmp_path):
    with pytest.raises(ModelError, match='neither a folder nor in the hub cache'):
        CLIPTextEncoder('clip-vit-b16').encode_text(TEXTS)
    weights = Path(shutil.copytree(clip, tmp_path / 'part')) / 'model.safetensors'
    state = load_file(weights)
    del state['text_projection.weight']
    save_file(state, weights, {'format': 'pt'})
    with pytest.raises(ModelError, match=r'lacks 1 weights \(text_projection\.weight\)'):
        CLIPTextEncoder(str(weights.parent)).encode_text(TEXTS)


@pytest.mark.parametrize('shape', [(10,), (10, 32)])
def test_weights_that_are_no_text_tower_of_openai_are_refused(shape):
    state = dict.fromkeys(('token_embedding.weight', 'text_projection'), torch.zeros(shape))
    state |= {'positional_embedding': torch.zeros(8, 32), 'logit_scale': torch.zeros(())}
    with pytest.raises(CheckpointError, match=r'file.pt holds no CLIP text tower in OpenAI names'):
        text_tower(state, 'file.pt')


def test_zoo_names_find_the_text_half_of_the_pair():
    assert CLIPTextEncoder('clip-vit-b16').source == 'openai/clip-vit-base-patch16'
