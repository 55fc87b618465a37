from __future__ import annotations

from pathlib import Path

import pytest

import cite.paths
from cite.errors import ConfigError
from cite.paths import cache_dir, configs_dir, find_config


def test_cache_dir_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv('CITE_CACHE')
    assert cache_dir() == Path.home() / '.cache' / 'cite'


def test_configs_of_a_checkout():
    assert (configs_dir() / 'quickstart' / 'cite.py').is_file()


def test_configs_of_a_wheel_lie_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages' / 'cite'
    (package / 'configs' / '_base_').mkdir(parents=True)
    monkeypatch.setattr(cite.paths, '__file__', str(package / 'paths.py'))
    assert configs_dir() == package / 'configs'


def test_an_installation_without_configs(tmp_path, monkeypatch):
    monkeypatch.setattr(cite.paths, '__file__', str(tmp_path / 'cite' / 'paths.py'))
    with pytest.raises(ConfigError, match='install cite again'):
        configs_dir()


@pytest.mark.parametrize(
    'name',
    [
        'quickstart/cite',
        'quickstart/cite.py',
        'configs/quickstart/cite',
        'configs/quickstart/cite.py',
    ],
)
def test_names_are_found_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == configs_dir() / 'quickstart' / 'cite.py'


def test_a_file_of_the_users_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'quickstart').mkdir()
    (tmp_path / 'quickstart' / 'cite.py').touch()
    assert not find_config('quickstart/cite.py').is_absolute()


def test_misspelt_names_get_a_suggestion():
    with pytest.raises(ConfigError, match=r'no such file\. Did you mean quickstart/cite\.py'):
        find_config('quikstart/cite')
    with pytest.raises(ConfigError, match=r'Known: .*lc25000/.*patchgastric/') as caught:
        find_config('zzz')
    assert '_base_' not in str(caught.value)
