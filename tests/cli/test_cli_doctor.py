from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version

import pytest

from cite.cli import doctor, main


@pytest.fixture
def versions(monkeypatch):
    """Lets packages seem to have other versions; None is not installed."""
    pretended: dict[str, str | None] = {}

    def pretend(package: str) -> str:
        if package not in pretended:
            return version(package)
        if pretended[package] is None:
            raise PackageNotFoundError(package)
        return pretended[package]

    monkeypatch.setattr(doctor, 'version', pretend)
    return pretended


def test_prints_versions_and_device(capsys):
    assert main(['doctor']) == 0
    shown = capsys.readouterr().out
    for package in ('torch', 'mmengine', 'transformers', 'timm'):
        assert f'{package} ' in shown and version(package).partition('+')[0] in shown
    assert 'precision' in shown
    assert shown.splitlines()[-1].startswith(('no known problem found', 'warnings: '))


@pytest.mark.parametrize(
    ('setuptools', 'warned'),
    [('81.0.0', False), ('82.0.0', True), ('100.0', True), ('9.1', False), ('82.0.0rc1', False)],
)
def test_setuptools_without_pkg_resources(versions, capsys, setuptools, warned):
    versions['setuptools'] = setuptools
    assert main(['doctor']) == 0
    assert ("'setuptools<82'" in capsys.readouterr().out) is warned


@pytest.mark.parametrize(
    ('transformers', 'warned'),
    [('4.57.0', True), ('4.100', True), ('10.0', True), ('5.23.0', True), ('4.9.1', False)],
)
def test_versions_are_compared_as_versions(versions, capsys, transformers, warned):
    versions |= {'pycocotools': '2.0.8', 'transformers': transformers}
    assert main(['doctor']) == 0
    assert ('pip uninstall pycocotools' in capsys.readouterr().out) is warned


def test_missing_and_clashing_packages(versions, capsys):
    versions |= {'openmim': None, 'mmcv': '2.2.0', 'mmcv-lite': '2.2.0'}
    assert main(['doctor']) == 0
    shown = capsys.readouterr().out
    assert 'openmim is missing' in shown and 'overwrite each other' in shown
    assert int(shown.rpartition('warnings: ')[2]) >= 2


def test_a_broken_torch_is_diagnosed_not_met(monkeypatch, capsys):
    def broken(name: str):
        raise OSError(f'lib{name}.so: undefined symbol\nand more')

    monkeypatch.setattr(doctor.importlib, 'import_module', broken)
    doctor.run(argparse.Namespace())
    shown = capsys.readouterr().out
    assert 'import torch fails (libtorch.so: undefined symbol)' in shown
    assert 'constraints.txt' in shown and 'and more' not in shown


def test_cache_without_write_permission(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path / 'not' / 'yet' / 'there'))
    asked = []
    monkeypatch.setattr('os.access', lambda path, mode: asked.append(path) or False)
    assert main(['doctor']) == 0
    assert asked == [tmp_path]
    assert 'set CITE_CACHE' in capsys.readouterr().out
