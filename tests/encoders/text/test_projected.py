"""BERTs inside the files of pairs: sizes off the weights, poolings, tuning, records, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pair_files import TEXTS, save_wordpiece

from cite.anchors import embed_texts
from cite.encoders.text import build_text_encoder
from cite.encoders.text.projected import ProjectedTextEncoder, projected_bert
from cite.encoders.zoo import TEXT_CARDS
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.frozen import trainable

WIDTH, HIDDEN, DIM = 64, 40, 24


def bert_state(pooler: bool = False):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=32,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=96,
        max_position_embeddings=20,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config, add_pooling_layer=pooler).eval()
        proj = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, HIDDEN, bias=False),
            torch.nn.GELU(),
            torch.nn.Linear(HIDDEN, DIM, bias=False),
        )
    return model, proj


def pair_state(prefix: str = 'text.', inner: str = 'transformer.', pooler: bool = False):
    model, proj = bert_state(pooler)
    state = {f'{prefix}{inner}{k}': v for k, v in model.state_dict().items()}
    state |= {'visual.conv1.weight': torch.zeros(3, 3), 'logit_scale': torch.tensor(3.5)}
    if inner:
        state |= {f'{prefix}proj.{k}': v.detach() for k, v in proj.state_dict().items()}
    return state


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pairs')
    save_wordpiece(folder / 'mlp')
    torch.save(pair_state(), folder / 'mlp' / 'open_clip_pytorch_model.bin')
    torch.save(pair_state(inner='', pooler=True), folder / 'plain.bin')
    return folder


@pytest.mark.parametrize('pooling', ['cls', 'mean'])
def test_projects_what_transformers_bert_pools(files, pooling):
    encoder = ProjectedTextEncoder(str(files / 'mlp'), pooling=pooling)
    with torch.random.fork_rng():
        found = encoder.encode_text(TEXTS, batch_size=2)
    model, proj = bert_state()
    tokens = encoder.tower().tokenize(TEXTS)
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state
        mask = tokens['attention_mask'].unsqueeze(-1)
        pooled = hidden[:, 0] if pooling == 'cls' else (hidden * mask).sum(1) / mask.sum(1)
        torch.testing.assert_close(found, proj(pooled), rtol=1e-4, atol=1e-5)
    assert found.shape == (3, DIM)


def test_without_projection_and_with_the_pooler_it_is_that_of_keep(files):
    options = {'tokenizer': str(files / 'mlp'), 'prefix': 'text.', 'pooling': 'pooler_output'}
    encoder = ProjectedTextEncoder(str(files / 'plain.bin'), **options)
    found = encoder.encode_text(TEXTS)
    model, _ = bert_state(pooler=True)
    with torch.no_grad():
        pooled = model(**encoder.tower().tokenize(TEXTS)).pooler_output
    torch.testing.assert_close(found, pooled, rtol=1e-4, atol=1e-5)
    # the prefix is found out, and a pooler that nothing passes through is left aside
    plain = ProjectedTextEncoder(str(files / 'plain.bin'), tokenizer=str(files / 'mlp'))
    assert plain.encode_text(TEXTS).shape == (3, WIDTH)


def test_a_single_linear_projection_and_old_names_are_read():
    state = pair_state()
    single = {k: v for k, v in state.items() if '.proj.' not in k}
    single['text.proj.weight'] = torch.ones(7, WIDTH)
    assert projected_bert(single, 'file').dim == 7
    old = {
        k.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(
            'LayerNorm.bias', 'LayerNorm.beta'
        ): v
        for k, v in state.items()
    }
    old['text.transformer.embeddings.position_ids'] = torch.arange(20)[None]
    one, other = (projected_bert(s, 'file').state_dict() for s in (state, old))
    assert all(torch.equal(one[key], other[key]) for key in one | other)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'text.proj.0.weight': torch.zeros(HIDDEN, WIDTH + 1)}, r'proj\.0\.weight is'),
        ({'text.proj.3.bias': torch.zeros(1)}, r'unexpected \(proj\.3\.bias\)'),
        (
            {'text.transformer.encoder.layer.1.output.dense.bias': None},
            r'1 missing .*output\.dense',
        ),
        ({'text.proj.2.weight': None}, r'1 missing .*proj\.2\.weight'),
        ({'text.transformer.embeddings.word_embeddings.weight': None}, 'holds no BERT'),
        ({'text.transformer.embeddings.word_embeddings.weight': torch.ones(9)}, 'are no BERT'),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(change, message):
    state = {k: v for k, v in {**pair_state(), **change}.items() if v is not None}
    with pytest.raises(CheckpointError, match=message):
        projected_bert(state, 'file')


def test_a_pooling_without_its_weights_is_refused(files):
    encoder = ProjectedTextEncoder(str(files / 'mlp'), pooling='pooler_output')
    with pytest.raises(CheckpointError, match=r'2 missing \(transformer\.pooler'):
        encoder.encode_text(TEXTS)
    with pytest.raises(ConfigError, match='pooling must be one of'):
        ProjectedTextEncoder(str(files / 'mlp'), pooling='auto')


def test_records_scale_and_weights(files):
    encoder = ProjectedTextEncoder('biomedclip', weights=files / 'mlp')
    record = encoder.provenance()
    assert record['logit_scale'] == pytest.approx(3.5)
    assert record['weights'] == 'mlp' and record['pooling'] == 'cls'
    assert len(record['fingerprint']) == 64
    assert record['model'] == TEXT_CARDS['biomedclip'].hub
    assert ProjectedTextEncoder('biomedclip', weights='gone').fingerprint() is None
    with pytest.raises(ModelError, match='no file or folder'):
        ProjectedTextEncoder('biomedclip', weights='gone').encode_text(TEXTS)


def test_the_row_says_which_class_reads_it(files):
    encoder = build_text_encoder(
        {'model': 'biomedclip', 'pooling': 'auto', 'weights': files / 'mlp'}
    )
    assert isinstance(encoder, ProjectedTextEncoder)
    anchors = embed_texts(TEXTS, encoder)
    assert anchors.embeddings.shape == (3, DIM)
    assert anchors.provenance['logit_scale'] == pytest.approx(3.5)


def test_long_texts_are_refused_or_cut(files):
    encoder = ProjectedTextEncoder(str(files / 'mlp'), max_length=8)
    with pytest.raises(ConfigError, match='longer than the 8'):
        encoder.encode_text(['gland ' * 7])
    tower = encoder.tower()
    cut = tower.encode_text(['gland ' * 9], truncate=True)
    torch.testing.assert_close(cut, tower.encode_text(['gland ' * 6]))


@pytest.mark.parametrize(
    ('tuning', 'trains'),
    [
        ({'type': 'LoRA', 'r': 2}, 'lora_'),
        ({'type': 'TextPrompt', 'length': 3}, 'prompt'),
        ({'type': 'FullFineTuning'}, 'proj.0.weight'),
    ],
)
def test_takes_part_in_training(files, tuning, trains):
    tower = ProjectedTextEncoder(str(files / 'mlp')).tower(tuning)
    tower.train()
    features = tower(tower.tokenize(TEXTS))
    assert features.shape == (3, DIM)
    features.sum().backward()
    weights = trainable(tower)
    assert any(trains in name for name in weights)
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in weights.values())


def test_an_untrained_lora_changes_nothing(files):
    encoder = ProjectedTextEncoder(str(files / 'mlp'))
    before = encoder.encode_text(TEXTS)
    tower = encoder.tower({'type': 'LoRA', 'r': 2})
    np.testing.assert_allclose(tower.encode_text(TEXTS), before, atol=1e-5)
