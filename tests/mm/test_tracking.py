"""What goes out to tracking services, and what does not.

TensorBoard is the real one. Weights & Biases, MLflow and Comet are not installed here: modules that stand
in for them record their calls, which reach them through mmengine's own backend classes. That the services
take these calls is not shown by these tests.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config

from cite.errors import ConfigError
from cite.mm import tracking_backends
from cite.mm.launch import train
from cite.mm.tracked_settings import settings_of
from cite.mm.tracking import PACKAGES, tracking_options

SERVICES = ('wandb', 'mlflow', 'comet')


class StandIn(ModuleType):
    """Takes any call, and notes it as (name, arguments, keywords)."""

    def __init__(self, name, calls):
        super().__init__(name)
        self.calls = calls

    def note(self, name, given=None):
        def call(*args, **kwargs):
            failing = self.__dict__.get('failing', {})
            if name in failing:
                raise failing[name]
            self.calls.append((name, args, kwargs))
            return given

        return call

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return self.note(name)


@pytest.fixture
def calls(monkeypatch):
    """Stand-ins for all three services, and the calls that they get."""
    noted: list[tuple] = []
    wandb, mlflow, comet = (StandIn(name, noted) for name in ('wandb', 'mlflow', 'comet_ml'))
    wandb.run = None
    wandb.config = SimpleNamespace(update=wandb.note('config.update'))
    mlflow.active_run = lambda: None
    experiment = StandIn('experiment', noted)
    comet.Experiment = comet.note('Experiment', experiment)
    comet.OfflineExperiment = comet.note('OfflineExperiment', experiment)
    comet.experiment = experiment
    for module in (wandb, mlflow, comet):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delenv('MLFLOW_TRACKING_URI', raising=False)
    for backend in ('WandbCurves', 'MLflowCurves', 'CometCurves'):
        monkeypatch.setattr(getattr(tracking_backends, backend), '_worked', False)
    return noted


def named(calls, name):
    return [(args, kwargs) for called, args, kwargs in calls if called == name]


def run_tiny(tiny, options):
    """A run of 4 iterations under these options."""
    cfg = tiny({'train_cfg.max_iters': 4, 'default_hooks.checkpoint.interval': 100})
    cfg.visualizer = options
    return train(cfg)


def local_scalars(folder):
    (file,) = folder.rglob('vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.skipif(importlib.util.find_spec('tensorboard') is None, reason='needs tensorboard')
def test_the_scalars_of_a_run_arrive_in_tensorboard(tiny, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study = tmp_path / 'study'
    run_tiny(tiny, tracking_options('tensorboard', 'mine', 'cite/k1-s0-t0', study))
    events = EventAccumulator(str(study / 'tensorboard' / 'cite' / 'k1-s0-t0')).Reload()
    arrived = {event.step: event.value for event in events.Scalars('loss')}
    kept = {line['step']: line['loss'] for line in local_scalars(tmp_path / 'run')}
    assert arrived.keys() == kept.keys() == {2, 4}
    assert all(arrived[step] == pytest.approx(kept[step], rel=1e-5) for step in kept)
    assert events.Tags()['images'] == [] and events.Tags()['graph'] is False


SENT = {
    'wandb': lambda calls: [args[0] for args, _ in named(calls, 'log')],
    'mlflow': lambda calls: [{**a[0], 'step': a[1]} for a, _ in named(calls, 'log_metrics')],
    'comet': lambda calls: [{**a[0], **kwargs} for a, kwargs in named(calls, 'log_metrics')],
}
LAST = {'wandb': 'finish', 'mlflow': 'end_run', 'comet': 'end'}


@pytest.mark.parametrize('kind', SERVICES)
def test_a_run_sends_curves_and_settings_and_nothing_else(kind, tiny, calls, tmp_path):
    """Through mmengine's visualizer and backends, to modules that stand in for the services."""
    run_tiny(tiny, tracking_options(kind, 'mine', 'cite/k1-s0-t0', tmp_path / 'study', True))
    kept = local_scalars(tmp_path / 'run')
    sent = SENT[kind](calls)
    assert [line['step'] for line in sent] == [line['step'] for line in kept] == [2, 4]
    assert [line['loss'] for line in sent] == [line['loss'] for line in kept]
    assert calls[-1][0] == LAST[kind]
    opening = {'init', 'Experiment', 'OfflineExperiment', 'set_tracking_uri', 'create_experiment'}
    allowed = opening | {'define_metric', 'log', 'config.update', 'finish', 'log_metrics', 'end'}
    allowed |= {'set_experiment', 'get_experiment_by_name', 'set_tag', 'log_params', 'end_run'}
    allowed |= {'set_name', 'add_tags', 'log_parameters'}
    assert {name for name, _, _ in calls} <= allowed
    told = [call for call in calls if call[0] not in opening]  # these say where local files lie
    assert str(tmp_path) not in repr(told) and 'train.csv' not in repr(told)
    (settings,) = [
        args[0]
        for name in ('config.update', 'log_params', 'log_parameters')
        for args, _ in named(calls, name)
    ]
    assert settings['model.backbone.model'] == 'random-vit-tiny' and settings['batch_size'] == 4


@pytest.mark.parametrize('kind', SERVICES)
def test_pictures_and_graphs_stay_here(kind, calls, tmp_path):
    backend = build(kind, tmp_path)
    backend.add_image('patch', np.zeros((4, 4, 3), np.uint8))
    backend.add_graph(torch.nn.Linear(1, 1), [{}])
    backend.close()
    assert calls == []


def build(kind, folder, offline=True, name='study'):
    from mmengine.registry import VISBACKENDS

    options = tracking_options(kind, name, 'run', folder, offline)['vis_backends'][1]
    return VISBACKENDS.build({**options, 'save_dir': str(folder / 'vis_data')})


# -- what each is opened with ----------------------------------------------------------------------


def test_wandb_is_grouped_by_study_and_told_to_upload_nothing_of_its_own(calls, tmp_path):
    build('wandb', tmp_path).add_scalar('loss', torch.tensor(2.5), 7)
    ((_, opened),) = named(calls, 'init')
    assert (opened['project'], opened['group'], opened['name']) == ('cite', 'study', 'run')
    assert opened['mode'] == 'offline' and opened['dir'] == str(tmp_path)
    assert opened['save_code'] is False
    switches = ('disable_code', 'disable_git', 'x_disable_meta')
    assert all(opened['settings'][name] for name in switches)
    assert opened['settings']['console'] == 'off'
    assert {'name': '*', 'step_metric': 'step'} in [
        kwargs for _, kwargs in named(calls, 'define_metric')
    ]
    assert named(calls, 'log')[0][0] == ({'loss': 2.5, 'step': 7},)
    build('wandb', tmp_path, offline=False).add_scalar('loss', 1.0)
    assert 'mode' not in named(calls, 'init')[1][1]  # WANDB_MODE decides


def test_mlflow_is_a_database_in_the_study_unless_a_server_is_named(calls, tmp_path, monkeypatch):
    local = f'sqlite:///{tmp_path.as_posix()}/mlflow.db'

    def opened(**options):
        calls.clear()
        build('mlflow', tmp_path, **options).add_scalar('loss', 1.0)
        return named(calls, 'set_tracking_uri')[0][0][0]

    assert opened(offline=False) == opened(offline=True) == local
    assert named(calls, 'set_experiment')[0][0] == ('study',)
    assert named(calls, 'set_tag')[0][0] == ('mlflow.runName', 'run')
    location = named(calls, 'create_experiment')[0][1]['artifact_location']
    assert location == (tmp_path / 'mlartifacts').as_uri()
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'https://me:secret@server')
    assert opened(offline=False) == 'https://me:secret@server'
    assert named(calls, 'create_experiment')[0][1]['artifact_location'] is None
    assert opened(offline=True) == local
    written = tracking_options('mlflow', 'study', 'run', tmp_path, False)
    assert 'secret' not in repr(written)  # configs are written to the run folder


def test_comet_is_a_project_and_stays_in_the_study_offline(calls, tmp_path):
    build('comet', tmp_path).add_scalars({'loss': 1.0, 'note': 'text', 'pair': [1, 2]}, 3)
    ((_, opened),) = named(calls, 'OfflineExperiment')
    assert opened['project_name'] == 'study'
    assert opened['offline_directory'] == str(tmp_path / 'comet') and (tmp_path / 'comet').is_dir()
    assert not any(opened[name] for name in ('log_code', 'log_git_patch', 'log_env_details'))
    assert named(calls, 'set_name')[0][0] == ('run',)
    assert named(calls, 'log_metrics') == [(({'loss': 1.0},), {'step': 3})]
    build('comet', tmp_path, offline=False).add_scalar('loss', 1.0)
    assert 'offline_directory' not in named(calls, 'Experiment')[0][1]


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize('kind', PACKAGES)
def test_a_missing_package_is_told_before_anything_runs(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGES[kind], None)
    with pytest.raises(ConfigError, match=rf"pip install 'cite-pathology\[{kind}\]'"):
        tracking_options(kind, 'study', 'run', tmp_path, False)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_is_told(tmp_path):
    with pytest.raises(ConfigError, match='choose one of tensorboard, wandb, mlflow, comet'):
        tracking_options('clearml', 'study', 'run', tmp_path, False)


OPENS = {'wandb': 'init', 'mlflow': 'set_experiment', 'comet': 'OfflineExperiment'}
WRITES = {'wandb': 'log', 'mlflow': 'log_metrics', 'comet': 'log_metrics'}


def fail(kind, name):
    """Lets a call of a stand-in raise."""
    module = sys.modules[PACKAGES[kind]]
    error = OSError('no route to host\nand more')
    if name == 'OfflineExperiment':

        def broken(**kwargs):
            raise error

        module.OfflineExperiment = broken
    else:
        target = module.experiment if kind == 'comet' else module
        target.__dict__['failing'] = {name: error}


@pytest.mark.parametrize('kind', SERVICES)
def test_a_service_that_never_worked_is_an_error(kind, calls, tmp_path):
    fail(kind, OPENS[kind])
    with pytest.raises(ConfigError, match=r'could not be started: OSError: no route to host\. '):
        build(kind, tmp_path).add_config(Config({'model': {'type': 'x'}}))


@pytest.mark.parametrize('when', [OPENS, WRITES], ids=['opened', 'written'])
@pytest.mark.parametrize('kind', SERVICES)
def test_a_service_that_fails_later_costs_no_run(kind, when, calls, tiny, tmp_path):
    build(kind, tmp_path).add_config(Config({'model': {'type': 'x'}}))
    fail(kind, when[kind])
    runner = run_tiny(tiny, tracking_options(kind, 'study', 'run', tmp_path / 'study', True))
    assert runner.iter == 4 and len(local_scalars(tmp_path / 'run')) == 2
    (log,) = (tmp_path / 'run').rglob('*.log')
    assert log.read_text().count('this run goes on without it') == 1


def test_what_a_failed_run_left_open_is_closed_first(calls, tmp_path):
    sys.modules['wandb'].run = object()
    sys.modules['mlflow'].active_run = object
    for kind in ('wandb', 'mlflow'):
        build(kind, tmp_path).add_scalar('loss', 1.0)
    names = [name for name, _, _ in calls]
    assert names.index('finish') < names.index('init')
    assert names.index('end_run') < names.index('set_tag')
    assert named(calls, 'end_run')[0][0] == ('FAILED',)


def test_options_of_two_runs_share_nothing(calls, tmp_path):
    """mmengine fills in the folder of a run, which the next one must not get."""
    for kind in SERVICES:
        first = tracking_options(kind, 'study', 'a', tmp_path, True)
        plain = repr(tracking_options(kind, 'study', 'a', tmp_path, True))
        backend = first['vis_backends'][1]
        backend['save_dir'] = 'x'
        for value in backend.values():
            if isinstance(value, dict):
                value.setdefault('settings', {})['changed'] = True
            if isinstance(value, list) and isinstance(value[0], dict):
                value[0]['changed'] = True
        assert repr(tracking_options(kind, 'study', 'a', tmp_path, True)) == plain


# -- settings --------------------------------------------------------------------------------------


def test_settings_hold_no_data_and_of_paths_the_last_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'weights').mkdir()
    (tmp_path / 'weights' / 'own.pth').touch()
    cfg = Config(
        {
            'data_root': '/data/patients',
            'work_dir': str(tmp_path),
            'train_dataloader': {'batch_size': 8, 'dataset': {'ann_file': 'secret.csv'}},
            'param_scheduler': [{'type': 'A', 'end': 5}, {'type': 'B'}],
            'optim_wrapper': None,
            'model': {
                'texts': {'well (G1)': 'glands, ' * 100},
                'text': 'owner/model',
                'file': '/home/me/x.pth',
                'own': 'weights/own.pth',
                'several': ['~/a.pth', 3],
                'rank': 8,
                'none': None,
            },
        }
    )
    found = settings_of(cfg)
    assert found['batch_size'] == 8 and found['param_scheduler.0.end'] == 5
    assert found['param_scheduler.1.type'] == 'B' and found['model.rank'] == 8
    assert (found['model.file'], found['model.own']) == ('x.pth', 'own.pth')
    assert found['model.several'] == "['a.pth', 3]" and found['model.text'] == 'owner/model'
    assert len(found['model.texts.well _G1_']) == 500  # a name as MLflow takes it
    for word in ('secret', 'patients', '/home', str(tmp_path), 'None'):
        assert word not in repr(found)
