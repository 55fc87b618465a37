from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from cite.anchors import embed_texts
from cite.errors import ConfigError
from cite.heads.text_embedding import TextEmbeddingHead
from cite.heads.zero_shot import ZeroShotHead

ENCODER = 'random-bert-tiny'
TEMPLATES = ['a {}.', 'some {}']
FILE = 'class,text\npoor,no glands\nwell,many glands\nwell,open lumina\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'texts.csv'
    path.write_text(FILE, encoding='utf-8')
    return str(path)


@pytest.mark.parametrize('kind', [ZeroShotHead, TextEmbeddingHead])
def test_several_texts_and_templates_are_averaged(kind):
    head = kind([['gland', 'tubule'], ['fat']], ENCODER, templates=TEMPLATES)
    sentences = ['a gland.', 'some gland', 'a tubule.', 'some tubule']
    unit = normalize(embed_texts(sentences, ENCODER).embeddings, dim=1)
    head.attach(128, ('well', 'poor'))
    torch.testing.assert_close(head.anchors[0], normalize(unit.mean(0), dim=0))
    assert head.texts[0] == ' | '.join(sentences)
    assert head.trained_parameters(128, 2) == len(list(head.parameters())) == 0


@pytest.mark.parametrize('kind', [ZeroShotHead, TextEmbeddingHead])
def test_a_file_is_matched_with_the_classes_by_name(kind, file):
    head = kind(file, ENCODER)
    head.attach(128, ('well', 'poor'))
    assert head.texts == ('many glands | open lumina', 'no glands')
    expected = normalize(embed_texts(['no glands', 'x'], ENCODER).embeddings[0], dim=0)
    torch.testing.assert_close(head.anchors[1], expected)
    head.attach(128, ('well', 'poor'))  # settles nothing twice
    assert head.texts[1] == 'no glands'
    assert 'texts.csv' in head.provenance['descriptions']['file']
    with pytest.raises(ConfigError, match="does not describe 'moderate'"):
        kind(file, ENCODER).attach(128, ('well', 'moderate', 'poor'))
    with pytest.raises(ConfigError, match="describes 'well', which the data set does not have"):
        kind(file, ENCODER).attach(128, ('poor',))


def test_an_adapter_of_an_ensemble_needs_neither_file_nor_templates(file):
    head = ZeroShotHead(file, ENCODER, templates=TEMPLATES)
    head.attach(128, ('well', 'poor'))
    spec = {'type': 'ZeroShotHead', 'texts': file, 'templates': TEMPLATES, 'text_encoder': {}}
    stored = head.stored_as(spec)
    assert stored == {'type': 'ZeroShotHead', 'texts': list(head.texts)}


def test_template_and_templates_exclude_each_other():
    with pytest.raises(ConfigError, match='give one of them'):
        ZeroShotHead(['gland'], ENCODER, template='a {}', templates=TEMPLATES)
    assert ZeroShotHead(['gland'], ENCODER, template='a {}').texts == ('a gland',)
