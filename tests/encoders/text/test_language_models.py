"""Decoders and T5 beside BERT: pooling, padding, precision, what is refused."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch
from tiny_language_models import KINDS, TEXTS, save_language_model, save_tokenizer, whole_model
from transformers import AutoModel, AutoTokenizer, T5EncoderModel

from cite.anchors import embed_texts
from cite.encoders.text import hf_model, hf_tokenizer, load_text
from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.pooling import POOLINGS
from cite.encoders.zoo import TEXT_CARDS, find_text_card
from cite.errors import ConfigError, ModelError


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp('models')
    return {kind: save_language_model(base / kind, kind) for kind in KINDS}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('pooling', ['mean', 'last', 'cls'])
def test_batches_equal_single_texts_and_transformers(folders, kind, pooling):
    encoder = TextEncoder(str(folders[kind]), pooling)
    together = encoder.encode_text(TEXTS)
    alone = torch.cat([encoder.encode_text([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert torch.pdist(together).min() > 1e-2 or pooling == 'cls'

    builder = T5EncoderModel if kind == 't5' else AutoModel
    tokenizer = AutoTokenizer.from_pretrained(folders[kind])
    model = builder.from_pretrained(folders[kind]).eval()
    for text, vector in zip(TEXTS, together, strict=True):
        ids = tokenizer(text, return_tensors='pt').input_ids  # one text: no padding, no mask
        with torch.no_grad():
            hidden = model(input_ids=ids).last_hidden_state[0]
        expected = {'mean': hidden.mean(0), 'last': hidden[-1], 'cls': hidden[0]}[pooling]
        torch.testing.assert_close(vector, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', ['biogpt', 'llama', 'gpt2'])
def test_a_tokenizer_that_pads_in_front(tmp_path, folders, kind):
    folder = save_language_model(tmp_path / kind, kind, padding_side='left')
    for pooling in ('last', 'mean'):
        expected = TextEncoder(str(folders[kind]), pooling).encode_text(TEXTS)
        assert torch.equal(TextEncoder(str(folder), pooling).encode_text(TEXTS), expected)


@pytest.mark.parametrize('pooling', ['last', 'mean'])
def test_poolings_take_padding_on_either_side(pooling):
    hidden = torch.randn(1, 3, 4)
    zeros = torch.zeros(1, 2, 4) + 9
    output = type('Output', (), {})()
    pooled = []
    for tokens in ([hidden, zeros], [zeros, hidden]):
        output.last_hidden_state = torch.cat(tokens, 1)
        mask = (output.last_hidden_state != 9).any(-1).long()
        pooled.append(POOLINGS[pooling](output, {'attention_mask': mask}))
    assert torch.equal(*pooled)
    torch.testing.assert_close(pooled[0], hidden[:, -1] if pooling == 'last' else hidden.mean(1))


def test_a_padding_token_that_the_model_has_no_embedding_for(tmp_path, folders):
    folder = save_language_model(tmp_path / 'llama', 'llama', pad_token='[PAD]')
    tokenizer = AutoTokenizer.from_pretrained(folder)
    embeddings = torch.nn.Embedding(tokenizer.pad_token_id, 4)
    model = type('Model', (), {'get_input_embeddings': lambda self: embeddings})()
    model.forward = lambda input_ids, attention_mask: None
    hf_tokenizer.fit_tokenizer(tokenizer, model)
    assert tokenizer.pad_token == '</s>' and tokenizer.padding_side == 'right'
    assert tokenizer.model_input_names == ['input_ids', 'attention_mask']


def test_only_the_encoder_of_a_t5_is_loaded(folders):
    tower = TextEncoder(str(folders['t5'])).tower()
    assert not [name for name, _ in tower.trunk.named_parameters() if 'decoder' in name]
    assert tower.limit == 512 and tower.feature_dim == 24
    with pytest.raises(ConfigError, match='longer than the 512'):
        TextEncoder(str(folders['t5'])).encode_text(['gland ' * 600])


@pytest.mark.parametrize('kind', ['biogpt', 'llama', 'gpt2'])
def test_decoders_are_loaded_without_their_head_and_have_a_limit(folders, kind):
    tower = TextEncoder(str(folders[kind])).tower()
    assert tower.limit == 24
    assert not [name for name, _ in tower.trunk.named_parameters() if 'head' in name]


@pytest.mark.parametrize('kind', ['t5', 'biogpt', 'llama'])
@pytest.mark.parametrize('targets', ['attn', 'mlp', 'attn+mlp'])
def test_lora_by_the_names_of_its_targets(folders, kind, targets):
    spec = {'type': 'LoRA', 'r': 2, 'targets': targets}
    tower = TextEncoder(str(folders[kind]), 'mean').tower(spec)
    layers = {
        name.partition('.lora_')[0] for name, p in tower.named_parameters() if p.requires_grad
    }
    per_block = {
        't5': {'attn': 4, 'mlp': 2},
        'biogpt': {'attn': 4, 'mlp': 2},
        'llama': {'attn': 4, 'mlp': 3},
    }
    assert len(layers) == 2 * sum(per_block[kind][part] for part in targets.split('+'))
    frozen = TextEncoder(str(folders[kind]), 'mean').tower()
    assert torch.equal(tower.encode_text(TEXTS), frozen.encode_text(TEXTS))
    tower(tower.tokenize(TEXTS)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in tower.parameters())


@pytest.mark.parametrize('kind', ['t5', 'biogpt', 'llama'])
def test_prompts_join_the_tokens(folders, kind):
    spec = {'type': 'TextPrompt', 'length': 2}
    tower = TextEncoder(str(folders[kind]), 'last').tower(spec)
    frozen = TextEncoder(str(folders[kind]), 'last').encode_text(TEXTS)
    found = tower(tower.tokenize(TEXTS))
    assert found.shape == frozen.shape and not torch.allclose(found, frozen, atol=1e-4)
    alone = torch.cat([tower(tower.tokenize([text])) for text in TEXTS])
    torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)
    found.sum().backward()
    assert tower.tuning.prompt.grad.abs().sum() > 0


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(hf_model, 'LARGE', 1000)


def test_large_models_are_halved_freed_and_never_loaded_again(folders, small_is_large, monkeypatch):
    exact = TextEncoder(str(folders['llama']), 'last', precision='fp32').encode_text(TEXTS)
    encoder = TextEncoder(str(folders['llama']), 'last')
    anchors = embed_texts(TEXTS, encoder)
    assert encoder._loaded is None
    assert anchors.embeddings.dtype == torch.float32
    assert anchors.provenance['precision'] == 'bf16'
    difference = (anchors.embeddings - exact).abs().max()
    assert 0 < difference < 0.1 * exact.abs().max()

    def never(*args, **options):
        raise AssertionError('loaded again')

    monkeypatch.setattr('cite.encoders.text.bert.load_hf', never)
    spec = {'model': str(folders['llama']), 'pooling': 'last'}
    assert torch.equal(embed_texts(TEXTS, spec).embeddings, anchors.embeddings)
    with pytest.raises(AssertionError, match='loaded again'):  # another precision, another question
        embed_texts(TEXTS, {**spec, 'precision': 'fp32'})


def test_small_models_stay_exact_and_loaded(folders):
    encoder = TextEncoder(str(folders['llama']), 'last')
    encoder.encode_text(TEXTS)
    assert encoder._loaded is not None and encoder.provenance()['precision'] == 'fp32'


def test_precision_is_checked(folders):
    with pytest.raises(ConfigError, match='precision must be one of fp32, bf16, fp16 or auto'):
        load_text('x', precision='int8')
    half = TextEncoder(str(folders['bert']), 'cls', precision='bf16')
    assert half.encode_text(TEXTS).dtype == torch.float32
    assert half.settings()['precision'] == 'bf16'
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="'fp16' needs a GPU"):
            TextEncoder(str(folders['bert']), precision='fp16').encode_text(TEXTS)


def test_lora_beside_half_precision_trains_in_float32(folders):
    encoder = TextEncoder(str(folders['llama']), 'last', precision='bf16')
    tower = encoder.tower({'type': 'LoRA', 'r': 2})
    assert {p.dtype for p in tower.parameters() if p.requires_grad} == {torch.float32}
    tower(tower.tokenize(TEXTS)).float().sum().backward()


def test_encoder_decoders_other_than_t5_are_refused(tmp_path):
    from transformers import BartConfig

    BartConfig(vocab_size=16, d_model=8).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(ModelError, match=r'encoder-decoder \(bart\).*a T5'):
        TextEncoder(str(tmp_path)).encode_text(TEXTS)


def test_code_of_a_repository_is_not_run(tmp_path):
    config = {'model_type': 'odd', 'auto_map': {'AutoConfig': 'code.Odd', 'AutoModel': 'code.Odd'}}
    (tmp_path / 'config.json').write_text(json.dumps(config), encoding='utf-8')
    (tmp_path / 'code.py').write_text('raise SystemExit("ran")', encoding='utf-8')
    with pytest.raises(ModelError, match='trust_remote_code=True'):
        TextEncoder(str(tmp_path)).encode_text(TEXTS)


def test_sharded_half_precision_weights(tmp_path, folders):
    model = whole_model('llama').half()
    model.save_pretrained(tmp_path, max_shard_size='5KB')
    assert (tmp_path / 'model.safetensors.index.json').is_file()
    save_tokenizer(tmp_path, 'llama')
    vectors = TextEncoder(str(tmp_path), 'last').encode_text(TEXTS)
    expected = TextEncoder(str(folders['llama']), 'last').encode_text(TEXTS)
    torch.testing.assert_close(vectors, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ('message', 'package'),
    [
        ('`tiktoken` is required to read a `tiktoken` file.', 'sentencepiece'),
        ('You need to install sacremoses to use BioGptTokenizer.', 'sacremoses'),
    ],
)
def test_a_missing_tokenizer_package_is_named(folders, monkeypatch, message, package):
    def fails(*args, **options):
        raise ImportError(message)

    monkeypatch.setattr('transformers.AutoTokenizer.from_pretrained', fails)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ModelError, match=rf"pip install {package}, .*'\.\[text\]'"):
        TextEncoder(str(folders['bert'])).encode_text(TEXTS)


def test_the_real_tokenizer_of_biogpt(tmp_path):
    """Without sacremoses the error names it; with it, the tokenizer works."""
    save_language_model(tmp_path, 'biogpt')
    for file in tmp_path.glob('*token*'):
        file.unlink()
    vocabulary = ['<s>', '<pad>', '</s>', '<unk>', 'g', 'l', 'a', 'n', 'd</w>', 'gl']
    (tmp_path / 'vocab.json').write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    (tmp_path / 'merges.txt').write_text('#version: 0.2\ng l 3\n')
    (tmp_path / 'tokenizer_config.json').write_text('{"tokenizer_class": "BioGptTokenizer"}')
    encoder = TextEncoder(str(tmp_path), 'last')
    if importlib.util.find_spec('sacremoses') is None:
        with pytest.raises(ModelError, match='needs the package sacremoses'):
            encoder.encode_text(['gland'])
    else:
        assert encoder.encode_text(['gland', 'gland gland']).shape == (2, 24)


def test_rows_by_former_names():
    old = 'microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext'
    assert find_text_card(old) is TEXT_CARDS['pubmedbert-base-fulltext']
    assert find_text_card('biomedbert-large') is TEXT_CARDS['pubmedbert-large']
    assert TextEncoder(old).settings() == TextEncoder('pubmedbert-base-fulltext').settings()


def test_a_model_on_no_hub_says_where_it_is(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r'physionet.*credentialed.*clinical-t5-base/'):
        load_text('clinical-t5-base').encode_text(TEXTS)
    save_language_model(tmp_path / 'clinical-t5-base', 't5')
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path))
    encoder = load_text('clinical-t5-base')
    assert encoder.encode_text(TEXTS).shape == (3, 24)
    assert encoder.provenance()['pooling'] == 'mean'
