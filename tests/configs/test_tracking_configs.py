"""The fragments that switch tracking on say what `tracking_options` says."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from cite.mm.launch import load_config
from cite.mm.resolve import resolve
from cite.mm.tracking import tracking_options
from cite.paths import configs_dir

FRAGMENTS = {'wandb_offline': 'wandb', 'mlflow': 'mlflow', 'comet': 'comet'}
OF_A_STUDY = {'group', 'name', 'dir', 'run_name', 'tags', 'folder', 'exp_name', 'project_name'}


def backends(name, tmp_path):
    file = tmp_path / 'with_tracking.py'
    bases = [configs_dir() / 'quickstart' / 'cite.py', configs_dir() / f'_base_/logging/{name}.py']
    file.write_text(f'_base_ = {[str(base) for base in bases]}')
    return resolve(load_config(file), 'cpu').visualizer.vis_backends


@pytest.mark.parametrize('name', FRAGMENTS)
def test_local_scalars_come_first_and_the_class_is_found(name, tmp_path):
    from mmengine.registry import VISBACKENDS

    local, service = backends(name, tmp_path)
    assert local.type == 'LocalVisBackend'
    built = VISBACKENDS.build({**service, 'save_dir': str(tmp_path)})
    assert FRAGMENTS[name] in type(built).__name__.lower()


@pytest.mark.parametrize('name', FRAGMENTS)
def test_they_send_as_little_as_a_study_does(name, tmp_path, monkeypatch):
    kind = FRAGMENTS[name]
    module = {'comet': 'comet_ml'}.get(kind, kind)
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    offline = name.endswith('offline')
    wanted = tracking_options(kind, 'study', 'run', tmp_path, offline)['vis_backends'][1]
    found = backends(name, tmp_path)[1].to_dict()

    def common(options):
        plain = {**options, **options.get('init_kwargs', {})}
        return {
            key: value for key, value in plain.items() if key not in {*OF_A_STUDY, 'init_kwargs'}
        }

    assert common(found) == common(wanted)
