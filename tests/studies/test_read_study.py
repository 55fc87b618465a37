import datetime

import pytest

from cite.errors import ConfigError
from cite.paths import configs_dir
from cite.studies.options import config_with
from cite.studies.read import read_study, study_of

READY = sorted(path.stem for path in (configs_dir() / 'studies').glob('*.py'))
SAME = {
    'study.py': "base = 'lc25000/linear'\nshots = [1, 4]\nsplit_seeds = 3\n",
    'study.yaml': 'base: lc25000/linear\nshots: [1, 4]\nsplit_seeds: 3\n',
    'study.json': '{"base": "lc25000/linear", "shots": [1, 4], "split_seeds": 3}',
}


@pytest.mark.parametrize('name', READY)
def test_ready_studies_are_whole(name, tmp_path):
    study = read_study(f'studies/{name}')
    assert len(study.methods) >= 4 and 'colour histogram' in [m.name for m in study.methods]
    for method in study.methods:
        if method.baseline is None:
            cfg = config_with(method.config, method.options, tmp_path, 0)
            assert cfg.test_dataloader.dataset.type == 'PatchDataset'


@pytest.mark.parametrize('name', SAME)
def test_python_yaml_and_json_say_the_same(name, tmp_path):
    (tmp_path / name).write_text(SAME[name])
    study = read_study(tmp_path / name)
    assert [m.name for m in study.methods] == ['linear', 'colour histogram']
    assert (study.shots, study.split_seeds, study.seeds) == (('1', '4'), (0, 1, 2), (0,))


def test_flags_come_over_the_file(tmp_path):
    (tmp_path / 'study.py').write_text(SAME['study.py'] + "options = {'a.b': 1, 'c.d': 2}\n")
    study = read_study(tmp_path / 'study.py', {'shots': ['8'], 'options': {'c.d': 3}})
    assert study.shots == ('8',) and study.methods[0].options == {'a.b': 1, 'c.d': 3}


def test_flags_of_choosing_leave_the_rest_of_it(tmp_path):
    (tmp_path / 'study.py').write_text(SAME['study.py'] + 'choosing = dict(budget=2, folds=3)\n')
    study = read_study(tmp_path / 'study.py', {'choosing': {'budget': 4}})
    assert (study.choosing.budget, study.choosing.folds) == (4, 3)


def test_an_empty_key_is_no_key():
    study = study_of({'base': 'lc25000/linear', 'options': None, 'name': None}, 'mine')
    assert study.name == 'mine' and study.methods[0].options == {}


def test_options_of_the_text_encoder_reach_the_heads_that_have_one(tmp_path):
    given = {
        'base': 'quickstart/cite',
        'grid': {'head': ['linear', 'cite']},
        'options': {'model.head.text_encoder.model': 'scibert'},
    }
    linear, text, _ = study_of(given).methods
    assert config_with(linear.config, linear.options, tmp_path, 0).model.head == {
        'type': 'LinearHead'
    }
    cfg = config_with(text.config, text.options, tmp_path, 0)
    assert cfg.model.head.text_encoder.model == 'scibert'


def test_a_study_can_build_on_another(tmp_path):
    (tmp_path / 'first.py').write_text(SAME['study.py'])
    (tmp_path / 'second.py').write_text("_base_ = 'first.py'\nshots = ['all']\n")
    assert read_study(tmp_path / 'second.py').shots == ('all',)


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'bases': 'x'}, 'unknown bases'),
        ({}, 'no methods'),
        ({'methods': {'a': {}}}, 'give it a config'),
        ({'methods': {'a': {'confg': 'x'}}}, 'unknown confg'),
        ({'grid': {'head': ['linear']}}, 'needs `base`'),
        ({'base': 'lc25000/linear', 'shots': [0]}, 'shots must be'),
        ({'base': 'lc25000/linear', 'shots': 'few'}, 'shots must be'),
        ({'base': 'lc25000/linear', 'seeds': 0}, 'seeds: expected'),
        ({'base': 'lc25000/linear', 'split_seeds': [-1]}, 'split_seeds: expected'),
        ({'base': 'lc25000/linear', 'choosing': {'budgets': 3}}, 'takes budget and folds'),
        ({'base': 'lc25000/linear', 'baselines': ['hue']}, 'no baseline'),
        ({'base': 'lc25000/linear', 'baselines': 5}, 'baselines: expected a list'),
        ({'base': 'lc25000/linear', 'seeds': '5'}, 'seeds: expected'),
        ({'base': 'lc25000/linear', 'seeds': [2**32]}, 'seeds: expected'),
        ({'base': 'lc25000/linear', 'top_k': 2.7}, 'top_k: expected a whole number'),
        ({'base': 'lc25000/linear', 'stain_groups': -3}, 'stain_groups: expected'),
        ({'base': 'lc25000/linear', 'choosing': {'budget': '3'}}, 'choosing.budget: expected'),
        ({'base': 'lc25000/linear', 'options': {'a': datetime.date(2026, 1, 1)}}, 'text of a date'),
        ({'methods': ['a']}, 'methods: expected names and values'),
        ({'methods': {'a': 5}}, "method 'a': expected names and values"),
        ({'base': 'x', 'methods': {'a': {'choose': {'model.head.k': 5}}}}, 'expected a list'),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(ConfigError, match=message):
        study_of(given)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / 'a.py').write_text('base = (')
    (tmp_path / 'a.toml').write_text('')
    for name, message in (
        ('a.py', 'cannot be read'),
        ('a.toml', 'expected .py'),
        ('b.py', 'no such'),
    ):
        with pytest.raises(ConfigError, match=message):
            read_study(tmp_path / name)
