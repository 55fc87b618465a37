"""Prompt templates: what ships, and what a user may say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from cite.encoders.zoo import PAIRS
from cite.errors import ConfigError
from cite.zeroshot import prompts
from cite.zeroshot.prompts import DOMAINS, PromptSet, default_set, find_prompts, prompt_sets
from cite.zeroshot.prompts.shipped import plain

SETS = prompt_sets()


def space(pair: str) -> SimpleNamespace:
    """What a space says of a pair of the zoo."""
    card = PAIRS[pair]
    return SimpleNamespace(name=pair, templates=card.templates, templates_from=card.templates_from)


def test_every_file_is_read_and_every_domain_has_a_default():
    files = {path.stem for path in Path(prompts.__file__).parent.glob('*.yaml')}
    assert files == {plain(domain).replace(' ', '_') for domain in DOMAINS}
    assert {found.domain for found in SETS.values()} == set(DOMAINS)
    for domain in DOMAINS:
        first = next(found for found in SETS.values() if found.domain == domain)
        assert default_set(domain) == find_prompts(domain) == first


@pytest.mark.parametrize('found', SETS.values(), ids=SETS)
def test_sets_that_ship(found):
    assert found.source and found.source == ' '.join(found.source.split())
    ours = found.source == 'written for cite'
    assert found.name.startswith('cite-') == ours
    assert all(template == template.strip() for template in found.templates)
    assert find_prompts(found.name.upper()) == SETS[found.name] == found


def test_names_are_of_one_thing():
    names = [plain(name) for name in (*SETS, *DOMAINS, 'model', 'none', 'own')]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('pair', [name for name, card in PAIRS.items() if card.templates])
def test_templates_of_pairs_are_among_the_sets(pair):
    """So that it is known which domain they are of, and no two places disagree."""
    assert PAIRS[pair].templates in {found.templates for found in SETS.values()}


def test_conch_has_its_22():
    assert len(SETS['conch'].templates) == 22
    assert PAIRS['conch'].templates == SETS['conch'].templates


@pytest.mark.parametrize(
    ('pair', 'domain', 'name', 'of'),
    [
        ('plip', None, 'model', 'pathology'),
        ('plip', 'pathology', 'model', 'pathology'),
        # 'An H&E image patch of pneumonia' asks for the wrong thing
        ('plip', 'chest x-ray', 'unimed-chest-x-ray', 'chest x-ray'),
        ('unimed-clip-vit-b16', 'ct', 'cite-ct', 'ct'),
        ('biomedclip', 'ct', 'model', 'general'),
        ('clip-vit-b16', 'pathology', 'model', 'general'),
        ('whyxrayclip', 'Chest_X-ray', 'model', 'chest x-ray'),
        ('whylesionclip', 'dermatology', 'model', 'dermatology'),
        ('medclip-vit', 'chest x-ray', 'unimed-chest-x-ray', 'chest x-ray'),
        ('tiny-tissue', 'pathology', 'quilt', 'pathology'),
    ],
)
def test_the_models_own_or_those_of_the_domain(pair, domain, name, of):
    found = find_prompts('model', space(pair), domain)
    assert (found.name, found.domain) == (name, of)
    if name == 'model':
        assert found.templates == PAIRS[pair].templates
        assert pair in found.source and PAIRS[pair].templates_from in found.source


def test_templates_of_a_model_that_we_do_not_know_are_taken_as_they_are():
    trained = SimpleNamespace(name='mine', templates=('{} under a lens',), templates_from='me')
    assert find_prompts('model', trained, 'ct').templates == ('{} under a lens',)
    assert find_prompts('model', trained).domain == 'general'


@pytest.mark.parametrize('model', [None, space('medclip-vit')])
def test_no_templates_and_no_domain(model):
    with pytest.raises(ConfigError, match='model') as error:
        find_prompts('model', model)
    assert 'conch' in str(error.value) and 'chest x-ray' in str(error.value)
    assert find_prompts('model', model, 'fundus').name == 'flair'


def test_class_texts_as_they_are():
    assert find_prompts('none', domain='pathology').templates == ('{}',)


def test_sentences():
    assert find_prompts('an image of {}').templates == ('an image of {}',)
    several = find_prompts(['{} here', 'no {}'], domain='mri')
    assert several == PromptSet('own', 'mri', ('{} here', 'no {}'), 'given')
    assert find_prompts(['quilt']) == SETS['quilt']
    assert find_prompts(['an image of {}']).name == 'own'


@pytest.mark.parametrize(
    ('sentences', 'told'),
    [
        (['{} here', 'here'], "found 'here'"),
        (['{} here', '{c} there'], r"found '\{c\} there'"),
        (['quilt', 'plip'], "found 'quilt'"),
        (['{} here', '{} here'], 'stands there twice'),
        ([], 'none there'),
    ],
)
def test_wrong_sentences(sentences, told):
    with pytest.raises(ConfigError, match=told):
        find_prompts(sentences)


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(ConfigError, match=r"did you mean 'quilt'.*chest x-ray"):
        find_prompts('quil')
    with pytest.raises(ConfigError, match="domain 'teeth': expected one of general"):
        find_prompts('quilt', domain='teeth')


def test_files(tmp_path):
    text = tmp_path / 'mine.txt'
    text.write_text('# tried in May\n\nan image of {}\n  {} seen  \n', encoding='utf-8-sig')
    found = find_prompts(str(text), domain='ct')
    assert found == PromptSet('mine', 'ct', ('an image of {}', '{} seen'), 'mine.txt')
    assert find_prompts(text).domain == 'general'

    listed = tmp_path / 'listed.yaml'
    listed.write_text('- an image of {}\n', encoding='utf-8')
    assert find_prompts(listed).templates == ('an image of {}',)
    full = tmp_path / 'full.yml'
    full.write_text(
        "source: a talk\ndomain: MRI\ntemplates: ['{} seen', 'no {}']\n", encoding='utf-8'
    )
    assert find_prompts(full, domain='ct') == PromptSet(
        'full', 'mri', ('{} seen', 'no {}'), 'a talk'
    )


@pytest.mark.parametrize(
    ('name', 'content', 'told'),
    [
        ('a.txt', b'an image\n', "found 'an image'"),
        ('a.txt', b'# only this\n', 'none there'),
        ('a.txt', b'\xff\xfe{}', 'cannot be read as UTF-8'),
        ('a.txt', b'{}' * 600_000, 'at most'),
        ('a.yaml', b'- [', 'no YAML of plain values'),
        ('a.yaml', b'- {}\n', r'found \{\}'),
        ('a.yaml', b'classes: {a: b}\n', 'expected a list of sentences'),
        ('a.yaml', b"templates: ['{}']\ndomain: teeth\n", "domain 'teeth'"),
        ('a.yaml', b'templates: {}\n', 'needs quotes in YAML'),
        ('a.csv', b'{}', 'expected a file .txt'),
    ],
)
def test_wrong_files(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=told) as error:
        find_prompts(tmp_path / name)
    assert '\n' not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    for spec in (tmp_path / 'no.txt', str(tmp_path / 'no.yaml')):
        with pytest.raises(ConfigError, match='no such file'):
            find_prompts(spec)
    with pytest.raises(ConfigError, match='cannot be read'):
        (tmp_path / 'folder.txt').mkdir()
        find_prompts(tmp_path / 'folder.txt')
