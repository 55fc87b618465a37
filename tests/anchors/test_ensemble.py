from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from cite.anchors import class_sentences, embed_classes, embed_texts
from cite.encoders.zoo import PAIRS
from cite.errors import ConfigError

ENCODER = 'random-bert-tiny'
SYNONYMS = [['gland', 'tubule'], ['fat']]


def test_anchor_is_the_mean_direction_of_all_sentences_of_a_class():
    found = embed_classes(class_sentences(SYNONYMS, ['a {}.', 'some {}']), ENCODER)
    sentences = ['a gland.', 'some gland', 'a tubule.', 'some tubule', 'a fat.', 'some fat']
    unit = normalize(embed_texts(sentences, ENCODER).embeddings, dim=1)
    expected = normalize(torch.stack([unit[:4].mean(0), unit[4:].mean(0)]), dim=1)
    torch.testing.assert_close(found.embeddings, expected)
    assert found.texts == (' | '.join(sentences[:4]), ' | '.join(sentences[4:]))
    assert found.provenance['ensemble'] == {'sentences': 6, 'templates': ['a {}.', 'some {}']}
    assert found.provenance['model'] == ENCODER


def test_synonyms_alone_make_an_ensemble():
    found = embed_classes(class_sentences(SYNONYMS), ENCODER)
    unit = normalize(embed_texts(['gland', 'tubule', 'fat'], ENCODER).embeddings, dim=1)
    torch.testing.assert_close(found.embeddings[0], normalize(unit[:2].mean(0), dim=0))
    torch.testing.assert_close(found.embeddings[1], unit[2])


@pytest.mark.parametrize('texts', [['gland', 'fat'], [['gland'], ['fat']], ['gland', ['fat']]])
def test_one_text_per_class_is_embedded_and_cached_as_it_always_was(texts, own_cache):
    plain = embed_texts(['gland', 'fat'], ENCODER)
    found = embed_classes(class_sentences(texts), ENCODER)
    assert torch.equal(found.embeddings, plain.embeddings)
    assert found.texts == plain.texts
    assert found.hash == plain.hash
    assert found.provenance == plain.provenance
    assert len(list((own_cache / 'anchors').iterdir())) == 1


def test_one_template_is_no_ensemble():
    plain = embed_texts(['a gland', 'a fat'], ENCODER)
    found = embed_classes(class_sentences(['gland', 'fat'], 'a {}'), ENCODER)
    assert torch.equal(found.embeddings, plain.embeddings)
    assert found.provenance == plain.provenance


def test_the_second_run_of_an_ensemble_needs_no_text_model(monkeypatch):
    first = embed_classes(class_sentences(SYNONYMS), ENCODER)
    monkeypatch.setattr('cite.encoders.text.bert.TextEncoder._load', None)
    again = embed_classes(class_sentences(SYNONYMS), ENCODER)
    assert torch.equal(again.embeddings, first.embeddings)


def test_a_files_classes_keep_their_names():
    described = class_sentences('patchgastric', 'H&E of {}')
    assert described.record['descriptions']['file'] == 'patchgastric.yaml'
    turned = described.for_classes(described.names[::-1])
    assert turned.sentences == described.sentences[::-1]
    assert turned.texts[0] == ' | '.join(turned.sentences[0])
    assert turned.sentences[0][0].startswith('H&E of poorly')
    assert embed_classes(described, ENCODER).names == described.names


@pytest.mark.parametrize('encoder', ['keep', {'type': 'TextEncoder', 'model': 'keep'}])
def test_the_pairs_own_templates(encoder):
    assert class_sentences(['gland'], 'pair', encoder).sentences == (('an H&E image of gland.',),)
    several = class_sentences(['gland'], 'pair', 'plip').sentences[0]
    assert several == tuple(t.replace('{}', 'gland') for t in PAIRS['plip'].templates)
    assert len(several) > 1


@pytest.mark.parametrize('encoder', ['random-bert-tiny', 'medclip-vit', 'somebody/a-bert', None])
def test_a_pair_without_templates_is_told(encoder):
    with pytest.raises(ConfigError, match="templates='pair': no templates are known"):
        class_sentences(['gland'], 'pair', encoder)


@pytest.mark.parametrize(
    'texts', [[['gland'], []], [['gland'], ['']], [['gland'], [1]], [['a'], 3]]
)
def test_wrong_texts(texts):
    with pytest.raises(ConfigError, match='class 1 needs a text or a list of texts'):
        class_sentences(texts)


@pytest.mark.parametrize('templates', ['a photo', ['{}', 'a'], [], [1], 5])
def test_wrong_templates(templates):
    with pytest.raises(ConfigError, match=r'each template needs \{\} for the text'):
        class_sentences(['gland'], templates)
