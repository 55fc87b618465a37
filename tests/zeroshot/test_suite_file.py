"""The file that lists data sets."""

from __future__ import annotations

import pytest

from cite.errors import ConfigError
from cite.zeroshot.suite import load_suite, rows


def load(tmp_path, text):
    path = tmp_path / 'mine.yaml'
    path.write_text(text, encoding='utf-8')
    return load_suite(path)


def test_the_shipped_suite_has_all_rows():
    assert [one.name for one in load_suite('unimed21').entries] == list(rows())


def test_entries_of_all_kinds(tmp_path):
    (tmp_path / 'names.txt').write_text('a: first text\na: second text\nb\n', encoding='utf-8')
    suite = load(
        tmp_path,
        """
        prompts: quilt
        sets:
          - bach
          - {layout: pcam, name: pcam_again, path: other/pcam, prompts: model, metric: auroc}
          - {name: f, modality: pathology, layout: folder, path: f, classes: {x: one, y: [two, three]}}
          - {name: m, modality: mine, layout: manifest, path: m/list.csv, split: test, classes: names.txt}
          - {name: n, modality: mine, layout: folder, path: n, classes: [lung_aca, lung_n],
             prompts: ['a {}.', 'the {}.']}
        """,
    )
    bach, pcam, folder, manifest, names = suite.entries
    assert suite.name == 'mine'
    assert (
        bach.prompts == 'quilt'
        and pcam.prompts == 'model'
        and names.prompts == ('a {}.', 'the {}.')
    )
    assert (pcam.name, pcam.metric, pcam.expects) == ('pcam_again', 'auroc', 'other/pcam/*')
    assert [(one.label, one.texts) for one in folder.classes] == [
        ('x', ('one',)),
        ('y', ('two', 'three')),
    ]
    assert [one.texts for one in manifest.classes] == [('first text', 'second text'), ('b',)]
    assert manifest.layouts[0].where == {'split': 'test'}
    assert manifest.expects == 'm/list.csv'
    assert [one.texts for one in names.classes] == [('lung aca',), ('lung n',)]


def test_a_plain_list(tmp_path):
    assert [one.name for one in load(tmp_path, '[bach, fives]').entries] == ['bach', 'fives']


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('[]', 'a list of data sets'),
        ('sets: 3', 'a list of data sets'),
        ('{sets: [bach], more: 1}', 'expected sets'),
        ('[bach, bach]', 'more than once: bach'),
        ('[bahc]', "did you mean 'bach'"),
        ('[{layout: bach, metrik: f1}]', 'unknown keys metrik'),
        ('[{layout: bach, metric: f2}]', "metric 'f2', expected one of accuracy"),
        ('[{layout: bach, classes: [a, b]}]', 'has its own classes'),
        ('[{layout: bach, name: ../up}]', "name '../up' may have letters"),
        ('[{layout: folder, path: x}]', 'needs name, modality'),
        ('[{layout: folder, path: x, name: x, modality: m, split: test}]', 'no split'),
        ('[{layout: folder, path: x, name: x, modality: m, classes: [a]}]', 'at least two'),
        ('[{layout: folder, path: x, name: x, modality: m, classes: 7}]', 'classes are labels'),
        ('[{layout: bach, prompts: {a: b}}]', 'prompts are published'),
        ('[7]', 'entry 1: expected name'),
        ('[a', 'no YAML of plain values'),
        ('!!python/object:os.system []', 'no YAML of plain values'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ConfigError, match=r'mine\.yaml') as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_no_such_suite():
    with pytest.raises(ConfigError, match='known: unimed21'):
        load_suite('unimed')
