"""What trains in a config's model, and what a finished run leaves in the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.logging import MessageHub, MMLogger

from cite.errors import ConfigError
from cite.mm.forget import forget
from cite.mm.launch import train
from cite.mm.plain_file import config_from, read_plain
from cite.mm.trained_groups import trained_groups


def test_by_group(tiny):
    cfg = tiny()
    found = trained_groups(cfg)
    width = 192
    assert found == {'prompt': width, 'neck': (width + 1) * 128}
    assert 'work_dir' in cfg and cfg.model.get('precision') == 'fp32'  # as it was


def test_what_is_made_from_features_trains_only_where_it_is_told_to(tiny):
    options = {'model.backbone.tuning': None, 'model.neck': None}
    knn = tiny(options)
    knn.model.head = {'type': 'KNNHead'}
    assert trained_groups(knn) == {}
    tip = tiny(options)
    tip.model.backbone.model, tip.model.backbone.image_size = 'tiny-tissue', 64
    tip.model.head = {
        'type': 'TipAdapterHead',
        'trains': True,
        'texts': ['a', 'b', 'c'],
        'text_encoder': {'type': 'TextEncoder', 'model': 'tiny-tissue'},
    }
    assert set(trained_groups(tip)) == {'head'}  # no feature is there yet


def open_logs(folder: Path) -> list[str]:
    files = [path.readlink() for path in Path('/proc/self/fd').iterdir() if path.exists()]
    return [str(path) for path in files if path.is_relative_to(folder)]


@pytest.mark.skipif(not Path('/proc/self/fd').is_dir(), reason='looks into /proc')
def test_a_forgotten_run_leaves_nothing_open(tiny, tmp_path):
    runner = train(tiny())
    assert open_logs(tmp_path)
    forget(runner)
    assert open_logs(tmp_path) == []
    for kind in (MMLogger, MessageHub):
        assert runner.experiment_name not in kind._instance_dict


def test_plain_values_of_a_file(tmp_path):
    (tmp_path / 'base.py').write_text('a = dict(b=1, c=2)\n')
    (tmp_path / 'file.py').write_text("_base_ = 'base.py'\na = dict(b=3)\n")
    assert read_plain(tmp_path / 'file.py') == {'a': {'b': 3, 'c': 2}}
    assert config_from({'a': {'b': 1}}).a.b == 1
    (tmp_path / 'wrong.yaml').write_text('a: [')
    with pytest.raises(ConfigError, match='cannot be read'):
        read_plain(tmp_path / 'wrong.yaml')
