"""Classes and their texts: files, names, and labels that are matched to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cite.data.table import PatchTable
from cite.errors import ConfigError, DataError
from cite.zeroshot import ClassTexts, classes_of_lines, classes_of_names, read_classes

NAME = st.text(st.characters(codec='utf-8', categories=('L', 'N')), min_size=1, max_size=8)


def table(labels: list[int], classes: tuple[str, ...]) -> PatchTable:
    files = [f'{row}.png' for row in range(len(labels))]
    return PatchTable(files, np.array(labels), files, classes, Path(), source='patches')


@pytest.mark.parametrize(
    ('lines', 'texts'),
    [
        (['tumour', 'stroma'], (('tumour',), ('stroma',))),
        (['# a note', '', 'a: one text', 'b\tanother: text'], (('one text',), ('another: text',))),
        (['a: x', 'b: y', 'a: z'], (('x', 'z'), ('y',))),
        (['ratio 1:2', 'b'], (('ratio 1:2',), ('b',))),
    ],
)
def test_lines_are_names_or_names_with_texts(lines, texts):
    assert classes_of_lines(lines, 'here').texts == texts


@pytest.mark.parametrize(
    ('lines', 'told'),
    [
        ([], 'at least two, found none'),
        (['a'], "at least two, found one, 'a'"),
        (['a', 'b', 'a'], 'line 3'),
        (['a:', 'b'], 'line 1'),
        (['a: x', 'a: X', 'b'], 'same text twice'),
        (['a: x', 'b: X'], 'nothing tells them apart'),
    ],
)
def test_lines_that_make_no_classes_are_refused(lines, told):
    with pytest.raises(ConfigError, match=told):
        classes_of_lines(lines, 'here')


@given(st.lists(NAME, min_size=2, max_size=6, unique_by=str.casefold))
def test_all_files_say_the_same(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp('classes')
    wanted = {name: [f'{name} one', f'{name} two'] for name in names}
    as_yaml = {'classes': {name: {'texts': texts} for name, texts in wanted.items()}}
    for kind, tree in (('json', wanted), ('yaml', as_yaml)):  # JSON is YAML, but for its surrogates
        (folder / f'a.{kind}').write_text(json.dumps(tree, ensure_ascii=False), 'utf-8')
    lines = [f'{name}: {text}' for name, texts in wanted.items() for text in texts]
    (folder / 'a.txt').write_text('\n'.join(lines), 'utf-8')
    for kind in ('json', 'yaml', 'txt'):
        found = read_classes(folder / f'a.{kind}')
        assert dict(zip(found.names, map(list, found.texts), strict=True)) == wanted, kind


def test_a_prompt_file_of_conch_gives_its_class_names(tmp_path):
    inner = {'classnames': {'A': ['x', 'y'], 'B': ['z']}, 'templates': ['CLASSNAME.']}
    (tmp_path / 'conch.json').write_text(json.dumps({'0': inner}))
    found = read_classes(tmp_path / 'conch.json')
    assert (found.names, found.texts) == (('A', 'B'), (('x', 'y'), ('z',)))
    assert 'templates' in found.source['note']


@pytest.mark.parametrize(
    ('name', 'content', 'told'),
    [
        ('a.json', b'{"a": 3, "b": "x"}', "class 'a'"),
        ('a.json', b'{"a": "x", "a": "y"}', 'more than once: a'),
        ('a.json', b'["a", "b", "a"]', 'more than once: a'),
        ('a.json', b'{"a"', 'no JSON'),
        ('a.txt', b'\xff\xfe\x00', 'UTF-8'),
        ('a.txt', b'a\n' * 600_000, 'bytes'),
        ('a.doc', b'a\nb', '.txt'),
        ('a.csv', b'name\na\n', 'columns class, text'),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=told) as caught:
        read_classes(tmp_path / name)
    assert name in str(caught.value)


def test_no_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'gone\.txt: no such file'):
        read_classes(tmp_path / 'gone.txt')


def test_names_are_read_as_words():
    found = classes_of_names(['lung_aca', 'lung_n'], 'patches')
    assert (found.names, found.texts) == (('lung_aca', 'lung_n'), (('lung aca',), ('lung n',)))
    with pytest.raises(ConfigError, match='numbers'):
        classes_of_names(['0', '1'], 'patches')


def test_labels_are_matched_by_name_and_numbers_by_place():
    classes = ClassTexts(('b', 'a', 'c'), (('x',), ('y',), ('z',)))
    assert classes.labels_of(table([0, 1, 1], ('a', 'b'))).tolist() == [1, 0, 0]
    assert classes.labels_of(table([0, 1], ('0', '2'))).tolist() == [0, 2]


def test_numbers_are_places_from_0_and_are_told():
    four = ClassTexts(('g1', 'g2', 'g3', 'g4'), (('w',), ('x',), ('y',), ('z',)), {'file': 'g.txt'})
    patches = table([0, 1, 2, 2], ('0', '1', '10'))
    with pytest.raises(DataError, match="'10'"):
        four.labels_of(patches)
    patches = table([0, 1, 2, 2], ('0', '1', '3'))
    assert four.labels_of(patches).tolist() == [0, 1, 3, 3]
    assert four.numbered(patches) == {'0': 'g1', '1': 'g2', '3': 'g4'}
    assert four.numbered(table([0, 1], ('g2', 'g1'))) == {}
    # images of 0 that were left out do not make numbers count from 1
    assert four.numbered(patches.subset([1, 2])) == {'1': 'g2', '3': 'g4'}


@pytest.mark.parametrize('labels', [('1', '2', '3'), ('1', '2', '3', '4'), ('2', 'g1')])
def test_numbers_from_1_are_refused_unless_they_are_names(labels):
    four = ClassTexts(('g1', 'g2', 'g3', 'g4'), (('w',), ('x',), ('y',), ('z',)), {'file': 'g.txt'})
    patches = table(list(range(len(labels))), labels)
    with pytest.raises(DataError, match=r"counted from 0, but none is 0.*\.txt file '[12]: text'"):
        four.labels_of(patches)
    named = ClassTexts(('4', '3', '2', '1', 'g1'), tuple((text,) for text in 'wxyzg'))
    assert named.labels_of(patches).tolist() == [named.names.index(label) for label in labels]
    assert named.numbered(patches) == {}


def test_numbers_are_either_names_or_places():
    some = ClassTexts(('1', 'b', 'c'), (('x',), ('y',), ('z',)))
    with pytest.raises(DataError, match=r"no class .* is called '2'"):
        some.labels_of(table([0, 1], ('1', '2')))
    with pytest.raises(DataError, match="'0' and 'b' are both the class 'b'"):
        ClassTexts(('b', 'c'), (('x',), ('y',))).labels_of(table([0, 1], ('0', 'b')))


def test_a_label_without_a_class_names_both_lists():
    classes = ClassTexts(('tumour', 'stroma'), (('x',), ('y',)))
    with pytest.raises(DataError) as caught:
        classes.labels_of(table([0, 1], ('tumor', 'stroma')))
    told = str(caught.value)
    assert "Is 'tumour' meant?" in told
    assert 'Labels: tumor, stroma' in told and 'Classes: tumour, stroma' in told
    # a class of the data set without images needs no text
    assert classes.labels_of(table([1], ('tumor', 'stroma'))).tolist() == [1]
