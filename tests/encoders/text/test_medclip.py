from __future__ import annotations

import math

import pytest
import torch
from layouts import check_refusals, synthetic
from tiny_models import WORDS, save_tiny_bert
from transformers import AutoTokenizer, BertConfig, BertModel

from cite.encoders.pairs import load_pair
from cite.encoders.text import load_text
from cite.encoders.text.medclip import MedCLIPTextEncoder
from cite.encoders.text.medclip_bert import text_half
from cite.encoders.zoo import PAIRS
from cite.errors import CheckpointError, ConfigError, ModelError

TEXTS = [' '.join(WORDS.split()[:6]), WORDS.split()[0], ' '.join(WORDS.split()[2:5])]
LAYERS = 4
TABLE = 'text_model.model.embeddings.word_embeddings.weight'


@pytest.fixture(scope='module')
def state():
    """The whole image half, and four layers and a few words of the text half."""
    state = synthetic('medclip_vit', depth=LAYERS)
    return {**state, TABLE: state[TABLE][:100].clone()}


@pytest.fixture(scope='module')
def folder(state, tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights') / 'medclip-vit'
    folder.mkdir()
    torch.save(state, folder / 'pytorch_model.bin')
    return folder


@pytest.fixture(scope='module')
def tokenizer(tmp_path_factory):
    return str(save_tiny_bert(tmp_path_factory.mktemp('models') / 'bert'))


@pytest.fixture
def encoder(folder, tokenizer):
    return load_text('medclip-vit', weights=folder, tokenizer=tokenizer)


@torch.no_grad()
def expected(state, tokenizer, text, depth=LAYERS):
    """Three layers of BERT, averaged over layers and all tokens, projected."""
    config = BertConfig(vocab_size=len(state[TABLE]), num_hidden_layers=depth)
    bert = BertModel(config).eval()
    prefix = 'text_model.model.'
    inner = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    del inner['embeddings.position_ids']
    bert.load_state_dict(inner)
    tokens = AutoTokenizer.from_pretrained(tokenizer)(text, return_tensors='pt')
    hidden = bert(**tokens, output_hidden_states=True).hidden_states
    mean = torch.stack([hidden[1], hidden[2], hidden[-1]]).permute(1, 0, 2, 3).mean(2).mean(1)
    return (mean @ state['text_model.projection_head.weight'].T)[0]


def test_equals_the_authors_computation_text_by_text(state, encoder, tokenizer):
    vectors = encoder.encode_text(TEXTS, batch_size=3)
    assert vectors.shape == (3, 512)
    assert not vectors.requires_grad
    for text, vector in zip(TEXTS, vectors, strict=True):
        torch.testing.assert_close(vector, expected(state, tokenizer, text), rtol=1e-4, atol=1e-5)
    assert torch.cdist(vectors, vectors)[0, 1:].min() > 0.1


def test_record(encoder, folder, tokenizer):
    record = encoder.provenance()
    assert record['logit_scale'] == pytest.approx(4.0)
    assert record['tokenizer'] == tokenizer
    assert len(record['fingerprint']) == 64
    again = MedCLIPTextEncoder(
        'medclip-vit', weights=folder / 'pytorch_model.bin', tokenizer=tokenizer
    )
    assert again.fingerprint() == record['fingerprint']
    assert MedCLIPTextEncoder('medclip-vit').fingerprint() is None


@pytest.fixture(scope='module')
def text_state(state):
    """The text half alone, with two layers."""
    kept = {
        k: v
        for k, v in state.items()
        if k.startswith('text_model') and not any(f'layer.{i}.' in k for i in range(2, LAYERS))
    }
    return {**kept, 'logit_scale': state['logit_scale']}


def test_what_does_not_fit_is_refused(text_state):
    check_refusals(lambda changed: text_half(changed, 'file'), text_state)
    flat = {**text_state, 'text_model.projection_head.weight': torch.zeros(768)}
    with pytest.raises(CheckpointError, match='expected matrices'):
        text_half(flat, 'file')
    with pytest.raises(CheckpointError, match=r'holds no text half of MedCLIP: no .*logit_scale'):
        text_half({'fc.weight': torch.zeros(2, 2)}, 'file')


@pytest.mark.parametrize(('stored', 'used'), [(3.5, 3.5), (5.0, 4.6052), (-1.0, 0.0)])
def test_scale_is_clamped(text_state, stored, used):
    _, scale = text_half({**text_state, 'logit_scale': torch.tensor(stored)}, 'file')
    assert scale == pytest.approx(used)


def test_pair_from_a_folder_named_by_the_environment(state, folder, tokenizer, monkeypatch):
    """Both halves find the one file."""
    monkeypatch.setenv('CITE_WEIGHTS', str(folder.parent))
    pair = load_pair('medclip-vit', text={'tokenizer': tokenizer})
    assert pair.scale.item() == pytest.approx(math.exp(4.0), rel=1e-5)
    assert pair.dim == 512
    assert pair.encode_text(TEXTS).shape == (3, 512)
    assert pair.vision.resize.how == 'pad'
    assert {'medclip-vit', 'medclip-resnet'} <= PAIRS.keys()


def test_text_half_of_the_resnet_variant_has_the_same_names(text_state):
    resnet = {k for k in synthetic('medclip_resnet', device='meta') if k.startswith('text_model')}
    vit = {k for k in synthetic('medclip_vit', device='meta') if k.startswith('text_model')}
    assert resnet == vit


@pytest.mark.parametrize('tuning', [{'type': 'LoRA', 'r': 2}, {'type': 'TextPrompt', 'length': 3}])
def test_tunings_reach_it(folder, tokenizer, tuning):
    encoder = MedCLIPTextEncoder('medclip-vit', weights=folder, tokenizer=tokenizer)
    tower = encoder.tower(tuning)
    before = tower.frozen_digest()
    tokens = tower.tokenize(TEXTS)
    tower(tokens).square().sum().backward()
    trained = {name for name, p in tower.named_parameters() if p.requires_grad}
    got = {name for name, p in tower.named_parameters() if p.grad is not None and p.grad.any()}
    assert got
    assert got <= trained
    assert all('lora_' in name or name == 'tuning.prompt' for name in trained)
    assert tower.frozen_digest() == before
    assert (tower.limit == 77) is (tuning['type'] == 'LoRA')


def test_long_texts_and_missing_weights(encoder, tokenizer):
    with pytest.raises(ConfigError, match='longer than the 77 that medclip-vit takes'):
        encoder.encode_text([f'{WORDS.split()[0]} ' * 80])
    with pytest.raises(ModelError, match='MedCLIP'):
        load_text('medclip-vit', tokenizer=tokenizer).encode_text(TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['medclip_vit', 'medclip_resnet'])
def test_whole_text_half(name, tokenizer, tmp_path):
    state = {k: v for k, v in synthetic(name).items() if 'vision_model' not in k}
    torch.save(state, tmp_path / 'pytorch_model.bin')
    encoder = load_text(name.replace('_', '-'), weights=tmp_path, tokenizer=tokenizer)
    (vector,) = encoder.encode_text(TEXTS[:1])
    whole = expected(state, tokenizer, TEXTS[0], 12)
    torch.testing.assert_close(vector, whole, rtol=1e-4, atol=1e-5)
