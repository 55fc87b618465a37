"""Which texts a data set is asked with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cite.errors import ConfigError
from cite.zeroshot.prompts import find_prompts
from cite.zeroshot.suite import rows
from cite.zeroshot.suite.texts import find_constants, read_constants, texts_of

SPACE = SimpleNamespace(name='s', templates=('an own {}.',), templates_from='nowhere')
FILE = """
import os
# refuge_prompts = {'old': ['x']}
refuge_prompts = {'no glaucoma': ["a  healthy nerve.", 'calm'], 'glaucoma': ['cupped']}
broken = {'a': os.getcwd()}
few = {'a': ['b']}
"""


@pytest.fixture
def constants(tmp_path):
    path = tmp_path / 'UniMed-CLIP/constants.py'
    path.parent.mkdir()
    path.write_text(FILE, encoding='utf-8')
    return path


def of(name, prompts='published', file=None):
    entry = rows()[name]
    return texts_of(entry, entry.classes, prompts, SPACE, file)


def test_sentences_that_are_kept_here():
    found = of('rsna_pneumonia')
    assert found.origin == 'published' and found.prompts.templates == ('{}',)
    assert found.classes.names == ('Normal', 'Pneumonia')
    assert all('chest X-ray' in text for own in found.classes.texts for text in own)


def test_published_templates():
    found = of('nct_crc')
    assert found.origin == 'published' and len(found.prompts.templates) == 4
    assert found.classes.texts[0] == ('Adipose',)


def test_sentences_of_the_file_go_by_place(constants):
    found = of('refuge', file=constants)
    assert found.origin == 'published'
    assert found.classes.names == ('no glaucoma', 'glaucoma')
    assert found.classes.texts == (('a healthy nerve.', 'calm'), ('cupped',))


def test_without_the_file_the_names_are_asked():
    found = of('refuge')
    assert found.classes.texts == (('no glaucoma',), ('glaucoma',))
    assert found.origin != 'published'
    assert found.prompts == find_prompts('model', SPACE, 'fundus')


def test_other_prompts_hold_over_published_ones():
    found = of('lc25000_lung', 'quilt')
    assert found.origin == 'quilt'
    assert found.classes.texts[1] == ('Benign lung',)


def test_where_the_file_is_found(tmp_path, constants):
    assert find_constants(tmp_path) == constants
    assert find_constants(tmp_path / 'elsewhere') is None


def test_the_file_is_not_run(constants):
    with pytest.raises(ConfigError, match='expected broken = '):
        read_constants(constants, 'broken')


def test_a_file_of_something_else(tmp_path, constants):
    with pytest.raises(ConfigError, match='expected five_prompts = '):
        of('fives', file=constants)
    constants.write_text('refuge_prompts = {"a": ["b"]}')
    with pytest.raises(ConfigError, match='has 1 classes, refuge has 2'):
        of('refuge', file=constants)
    constants.write_text('no python (')
    with pytest.raises(ConfigError, match=r'is not the constants\.py'):
        of('refuge', file=constants)
