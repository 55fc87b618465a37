from __future__ import annotations

import pytest

from cite.anchors import descriptions
from cite.anchors.descriptions import places, read_descriptions, shipped
from cite.errors import ConfigError
from cite.mm.launch import load_config

YAML = """
source: a book
classes:
  well: {texts: [many  glands, 'open: lumina'], source: page 3}
  poor:
    texts:
      - no glands
"""


def written(folder, content, name='texts.yaml'):
    path = folder / name
    path.write_text(content, encoding='utf-8')
    return str(path)


def test_yaml_names_classes_texts_and_sources(tmp_path):
    found = read_descriptions(written(tmp_path, YAML))
    assert found.names == ('well', 'poor')
    assert found.texts == (('many glands', 'open: lumina'), ('no glands',))
    assert found.source == {'file': 'texts.yaml', 'source': 'a book', 'classes': {'well': 'page 3'}}


def test_csv_has_a_row_per_text(tmp_path):
    rows = 'class,text,source\nwell,"glands, many",a\npoor,no glands,\nwell,open lumina,b\n'
    found = read_descriptions(written(tmp_path, '\ufeff' + rows, 'texts.csv'))
    assert found.names == ('well', 'poor')
    assert found.texts == (('glands, many', 'open lumina'), ('no glands',))
    assert found.source == {'file': 'texts.csv', 'classes': {'well': 'a; b'}}
    plain = read_descriptions(written(tmp_path, 'text,class\ngland,well\n', 'plain.csv'))
    assert plain.texts == (('gland',),)


def test_shipped_descriptions_are_of_the_classes_of_the_config():
    assert 'patchgastric' in shipped()
    found = read_descriptions('patchgastric')
    classes = load_config('patchgastric/zero_shot').test_dataloader.dataset.classes
    assert list(found.names) == list(classes)
    for texts in found.texts:
        assert 4 <= len(texts) <= 6 and len(set(texts)) == len(texts)
    assert 'WHO' in found.source['source'] and 'Japanese' in found.source['source']
    assert set(found.source['classes']) == set(classes)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            'classes: {well: {texts: [gland, "  "]}}',
            r"class 'well': text 1: .* found an empty text",
        ),
        ('classes: {well: {texts: []}}', r"class 'well': `texts` must be a list .* empty list"),
        ('classes: {well: {source: a}}', 'found nothing'),
        ('classes: {well: gland}', 'expected the keys texts, source, found str'),
        ('classes: {well: {texts: [1]}}', 'text 0: expected a text, found int'),
        ('classes: {1: {texts: [gland]}}', 'the name of a class: expected a text, found int'),
        ('classes: []', '`classes` must map each class to its texts, found an empty list'),
        ('class: {}', 'expected the keys source, classes, found the keys class'),
        ('', 'expected the keys source, classes, found nothing'),
        ('classes: [', 'no YAML of plain values'),
        ('classes: !!python/object/apply:os.getcwd []', 'no YAML of plain values'),
        ('a: ' + '[' * 5000, 'no YAML of plain values'),
    ],
)
def test_wrong_yaml_is_told(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        read_descriptions(written(tmp_path, content))


def test_yaml_that_names_itself_into_gigabytes_gives_a_short_message(tmp_path):
    rows = ['&a0 [x, x, x, x, x, x, x, x, x]']
    rows += [f'&a{i} [{", ".join([f"*a{i - 1}"] * 9)}]' for i in range(1, 30)]
    listed = ', '.join(rows)
    for content in (
        f'classes: {{well: {{texts: [{listed}]}}}}',
        f'source: [{listed}]\nclasses: {{well: {{texts: *a29}}}}',
        f'classes: {{well: [{listed}]}}',
        f'[{listed}]',
    ):
        with pytest.raises(ConfigError) as error:
            read_descriptions(written(tmp_path, content))
        assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('class,words\nwell,gland\n', 'expected the columns class, text'),
        ('class,text,note\nwell,gland,x\n', 'found class, text, note'),
        ('class,text\n', 'has no rows'),
        ('', 'found none'),
        ('class,text\nwell,\n', 'line 2: text: expected a text, found an empty text'),
        ('class,text\nwell,gland,more\n', 'line 2 has not 2 columns'),
        ('class,text\nwell\n', 'line 2 has not 2 columns'),
        ('class,text\nwell,"gland\n', 'is no CSV'),
    ],
)
def test_wrong_csv_is_told(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        read_descriptions(written(tmp_path, content, 'texts.csv'))


def test_files_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r'no such file.*known: .*patchgastric'):
        read_descriptions('patchgastrik')
    with pytest.raises(ConfigError, match=r'expected a \.yaml or \.csv file, found \.txt'):
        read_descriptions(written(tmp_path, YAML, 'texts.txt'))
    (tmp_path / 'latin.csv').write_bytes(b'class,text\nwell,gl\xe4nd\n')
    with pytest.raises(ConfigError, match='UTF-8'):
        read_descriptions(str(tmp_path / 'latin.csv'))
    monkeypatch.setattr(descriptions, 'LARGEST', 20)
    with pytest.raises(ConfigError, match='expected at most 20'):
        read_descriptions(written(tmp_path, YAML))


def test_classes_are_found_by_name():
    assert places(('poor', 'well'), ('well', 'poor')) == [1, 0]
    with pytest.raises(ConfigError, match=r"not describe 'well',.*It has 'wel'"):
        places(('wel', 'poor'), ('well', 'poor'))
    with pytest.raises(ConfigError, match=r"describes 'fat', which the data set does not"):
        places(('well', 'poor', 'fat'), ('well', 'poor'))
