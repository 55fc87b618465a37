from __future__ import annotations

import pytest
from old_cite import CITE, read_config, write_configs

from cite.errors import ConfigError
from cite.migrate.plain_config import read_plain_config


def test_reads_what_mmcls_notes_in_a_checkpoint(tmp_path):
    from mmengine.config import Config

    config = read_config(write_configs(tmp_path)[CITE])
    assert read_plain_config(Config(config).pretty_text, 'meta') == config


@pytest.mark.parametrize(
    'text',
    [
        'import os',
        "x = __import__('os')",
        "x = open('owned', 'w')",
        "x = dict(a=dict(b=open('owned', 'w')))",
        'x = [i for i in range(3)]',
        'x = dict(**y)',
        'x = {**y}',
        'x = y',
        'x = y = 1',
        'x.y = 1',
        "x = f'{1}'",
        'x = (',
        'x = ' + '[' * 2000,
        'x = \0',
        'x = {[1]: 2}',
        'x = {[1]}',
        {'x': 1},
    ],
)
def test_anything_else_is_refused_and_not_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r'meta is no plain config .*--config'):
        read_plain_config(text, 'meta')
    assert not list(tmp_path.iterdir())
