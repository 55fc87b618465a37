"""Names of the original code lead to `cite migrate` wherever they come up."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from old_cite import CITE, CONFIGS, write_configs
from repo import REPO

from cite.encoders.text import TEXT_ENCODERS
from cite.errors import ConfigError
from cite.former_names import FORMER_NAMES, hint
from cite.heads import HEADS
from cite.mm.launch import load_config
from cite.mm.resolve import resolve
from cite.necks import NECKS
from cite.tuning import TUNINGS


def test_an_unknown_name_of_the_original():
    with pytest.raises(
        ConfigError, match=r"'BERT' is a name of the original code.*TextEncoder"
    ) as e:
        TEXT_ENCODERS.build({'type': 'BERT'})
    assert 'cite migrate CONFIG' in str(e.value)
    assert hint('TextEncoder') == ''


def test_no_former_name_is_one_of_ours():
    for registry in (TEXT_ENCODERS, HEADS, NECKS, TUNINGS):
        assert not FORMER_NAMES.keys() & set(registry.names())


def test_the_page_lists_every_name():
    page = (REPO / 'docs' / 'migration.md').read_text(encoding='utf-8')
    for name in FORMER_NAMES:
        assert f'`{name}`' in page, name


@pytest.mark.parametrize('name', CONFIGS)
def test_an_old_config_is_named_as_what_it_is(tmp_path, name):
    path = write_configs(tmp_path)[name]
    with pytest.raises(
        ConfigError, match=r'config of the original code.*cite migrate CONFIG'
    ) as error:
        load_config(path)  # its modules are not there
    assert '\n' not in str(error.value)
    with pytest.raises(ConfigError, match='config of the original code'):
        resolve(Config.fromfile(path, import_custom_modules=False), 'cpu')


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (
            {'model.backbone': {'type': 'CLIPImageBackbone'}},
            "model.backbone.type='CLIPImageBackbone'",
        ),
        ({'model.type': 'ImageClassifier'}, "model.type='ImageClassifier'"),
        ({'train_dataloader.dataset.type': 'PatchGastricCls3'}, 'train_dataloader'),
        ({'lr_config': {'policy': 'fixed'}}, 'lr_config'),
    ],
)
def test_one_old_part_is_enough(options, named):
    cfg = load_config('quickstart/cite', options=options)
    with pytest.raises(ConfigError, match='cite migrate CONFIG') as error:
        resolve(cfg, 'cpu')
    assert named in str(error.value)


def test_a_variable_called_data_is_nobodys_business():
    resolve(load_config('quickstart/cite', options={'data': 'x', 'runner': 3}), 'cpu')


def test_other_missing_modules_are_told_as_such(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text("custom_imports = dict(imports=['no_such_module'])\n")
    with pytest.raises(ConfigError, match='cannot be read: ImportError'):
        load_config(file)
    assert CITE in write_configs(tmp_path)
