from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from unittest.mock import MagicMock

import pytest
from tiny_language_models import save_language_model

from cite.cli import doctor, doctor_machine, main


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


def lines_of(capsys, level: str) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith(level)]


def test_prints_versions_and_device(capsys):
    assert main(['doctor']) == 0
    shown = capsys.readouterr().out
    for package in ('torch', 'mmengine', 'transformers', 'timm'):
        assert f'PASS  {package} {version(package).partition("+")[0]}' in shown
    assert 'precision' in shown and 'GB free' in shown
    assert 'HF_HUB_OFFLINE is set' in shown
    assert shown.splitlines()[-1].endswith('0 failed')


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
    warnings = lines_of(capsys, 'WARN')
    assert any('openmim is missing' in line for line in warnings)
    assert any('overwrite each other' in line for line in warnings)


def test_a_missing_package_that_cite_needs_fails(versions, capsys):
    versions['timm'] = None
    assert main(['doctor']) == 1
    (line,) = lines_of(capsys, 'FAIL')
    assert 'timm is missing' in line and 'pip install' in line


def test_a_broken_torch_is_diagnosed_not_met(monkeypatch, capsys):
    def broken(name: str):
        raise OSError(f'lib{name}.so: undefined symbol\nand more')

    monkeypatch.setattr(doctor.importlib, 'import_module', broken)
    assert doctor.run(argparse.Namespace()) == 1
    shown = capsys.readouterr().out
    assert 'FAIL  import torch fails (libtorch.so: undefined symbol)' in shown
    assert 'constraints.txt' in shown and 'and more' not in shown


def test_cache_without_write_permission(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path / 'not' / 'yet' / 'there'))
    asked = []
    monkeypatch.setattr('os.access', lambda path, mode: asked.append(path) or False)
    assert main(['doctor']) == 0
    assert asked[0] == tmp_path
    assert any('set CITE_CACHE' in line for line in lines_of(capsys, 'WARN'))


def test_little_room_is_a_warning(monkeypatch, capsys):
    usage = type('Usage', (), {'free': 2**30})
    monkeypatch.setattr(doctor_machine.shutil, 'disk_usage', lambda path: usage)
    assert main(['doctor']) == 0
    assert any('1.0 GB left' in line for line in lines_of(capsys, 'WARN'))


def test_a_misspelt_model_is_no_list_of_configs(capsys):
    assert main(['doctor', 'unii2']) == 2
    told = capsys.readouterr().err
    assert 'did you mean the model uni' in told and 'patchgastric' not in told
    assert main(['doctor', 'quickstart/cit']) == 2
    assert 'Did you mean quickstart/cite.py' in capsys.readouterr().err


def test_the_folder_of_weights(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path / 'nowhere'))
    assert main(['doctor']) == 1
    assert 'nowhere' in lines_of(capsys, 'FAIL')[0]
    monkeypatch.setenv('CITE_WEIGHTS', str(tmp_path))
    assert main(['doctor']) == 0
    assert any('holds no model' in line for line in lines_of(capsys, 'WARN'))
    (tmp_path / 'ctranspath.pth').write_bytes(b'weights')
    assert main(['doctor', 'ctranspath']) == 0
    shown = capsys.readouterr().out
    assert f'CITE_WEIGHTS {tmp_path} holds ctranspath' in shown
    assert f'weights of ctranspath: {tmp_path / "ctranspath.pth"}' in shown


@pytest.mark.parametrize(('answer', 'expected'), [(None, 'PASS'), ('no route to host', 'WARN')])
def test_the_hub_is_asked_once_and_may_be_away(monkeypatch, capsys, answer, expected):
    asked = []
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', False)
    monkeypatch.setattr(doctor_machine, 'reach', lambda address: asked.append(address) or answer)
    assert main(['doctor']) == 0
    assert len(asked) == 1 and any('hub https://' in line for line in lines_of(capsys, expected))


def test_an_address_where_nobody_answers():
    assert doctor_machine.reach('http://127.0.0.1:9')
    assert doctor_machine.reach('nonsense')


def hub_error(kind):
    import huggingface_hub.errors as errors

    return getattr(errors, kind)('said the hub', response=MagicMock())


@pytest.mark.parametrize(
    ('error', 'says'),
    [
        ('GatedRepoError', 'accept its terms at https://huggingface.co/MahmoodLab/UNI2-h'),
        ('RepositoryNotFoundError', 'hf auth login'),
    ],
)
def test_no_access_to_a_gated_model(monkeypatch, capsys, error, says):
    asked = []

    def refuse(*args):
        asked.append(args)
        raise hub_error(error)

    monkeypatch.setattr('cite.encoders.files.availability.ask', refuse)
    assert main(['doctor', 'uni2-h']) == 1
    (line,) = lines_of(capsys, 'FAIL')
    assert says in line and len(asked) == 1


def test_a_model_that_the_hub_would_give(monkeypatch, capsys):
    monkeypatch.setattr('cite.encoders.files.availability.ask', lambda *args: None)
    assert main(['doctor', 'plip']) == 0
    shown = capsys.readouterr().out
    assert 'text plip: licence' in shown and 'on the hub, fetched at first use (vinid/plip' in shown


def test_offline_models_are_told_without_a_traceback(capsys):
    assert (
        main(['doctor', 'uni2-h', 'ctranspath', 'biogpt', 'timm:resnet18', 'hf-hub:no/such']) == 1
    )
    lines = lines_of(capsys, 'FAIL')
    assert any('TransPath' in line for line in lines)
    assert any('HF_HUB_OFFLINE' in line for line in lines)


def test_a_config_with_its_models_and_data(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'here.csv').write_text('file,label,slide\n')
    save_language_model(tmp_path / 'bert', 'bert')
    config = tmp_path / 'mine.py'
    text = """
model = dict(backbone=dict(model='tiny-tissue'), head=dict(text_encoder='{encoder}'))
train_dataloader = dict(dataset=dict(data_root='.', ann_file='here.csv'))
test_dataloader = dict(dataset=dict(data_root='.', ann_file='{test}'))
"""
    config.write_text(text.format(encoder='./bert', test='here.csv'))
    assert main(['doctor', str(config)]) == 0
    shown = capsys.readouterr().out
    assert 'vision tiny-tissue: licence Apache-2.0' in shown and 'data here.csv (train)' in shown
    config.write_text(text.format(encoder='./no-such', test='gone.csv'))
    assert main(['doctor', str(config)]) == 1
    encoder, data = lines_of(capsys, 'FAIL')
    assert './no-such' in encoder and 'gone.csv (test) is not there' in data


@pytest.mark.parametrize(
    'config', ['quickstart/cite', 'contrast/tiny_lora', 'patchgastric/zero_shot']
)
def test_the_configs_that_come_with_cite(config, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['doctor', config]) == 1  # there are no data here
    assert any('data' in line for line in lines_of(capsys, 'FAIL'))


def test_what_is_neither_a_model_nor_a_config(capsys):
    assert main(['doctor', 'uni3-h']) == 2
    out, err = capsys.readouterr()
    assert out == '' and 'uni2-h' in err and err.count('\n') == 1


def test_a_model_in_the_hub_cache_is_not_asked_for(monkeypatch, capsys):
    def cached(repo, name, revision):
        return f'/cache/{repo}/{name}' if name == 'pytorch_model.bin' else None

    def never(*args):
        raise AssertionError('the hub was asked')

    monkeypatch.setattr('huggingface_hub.try_to_load_from_cache', cached)
    monkeypatch.setattr('cite.encoders.files.availability.ask', never)
    assert main(['doctor', 'uni2-h']) == 0
    assert '/cache/MahmoodLab/UNI2-h/pytorch_model.bin (hub cache)' in capsys.readouterr().out
