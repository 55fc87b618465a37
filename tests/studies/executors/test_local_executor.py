"""Workers of one machine: all runs done once, deaths survived, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from small_work import gone, make_study, records, states, tasks_of

from cite.errors import ConfigError
from cite.studies.claims import is_claimed
from cite.studies.executors import Finished, Lost, Started, get_executor


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path)


def do(folder, study, work, **options):
    events = []
    get_executor('local', **options).run(
        tasks_of(folder, study), f'small_work:{work}', events.append
    )
    return events


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_every_run_is_done_once_by_warm_workers(tmp_path, study):
    events = do(tmp_path, study, 'work', workers=2, threads=1, gpus=())
    assert states(tmp_path, study) == ['done'] * 8
    finished = Counter(event.run_id for event in of(events, Finished))
    assert finished == Counter(map(str, study.runs()))
    about = [record.about for record in records(tmp_path, study)]
    pids = {a['pid'] for a in about}
    assert len(pids) <= 2 and os.getpid() not in pids
    assert {a['OMP_NUM_THREADS'] for a in about} == {'1'}
    assert {a['CUDA_VISIBLE_DEVICES'] for a in about} == {''}
    logs = ''.join(log.read_text() for log in (tmp_path / 'logs').glob('worker-*.log'))
    assert logs.count('did ') == 8


def test_gpus_go_round(tmp_path, study):
    do(tmp_path, study, 'work', gpus=(4, 'GPU-7'), threads=3)
    about = [record.about for record in records(tmp_path, study)]
    seen = {(a['pid'], a['CUDA_VISIBLE_DEVICES']) for a in about}
    assert len(seen) == len({pid for pid, _ in seen})  # a worker keeps its GPU
    assert {gpu for _, gpu in seen} <= {'4', 'GPU-7'}
    assert {a['OMP_NUM_THREADS'] for a in about} == {'3'}


@pytest.mark.parametrize(
    ('options', 'workers'),
    [
        (dict(gpus=(0, 1)), 2),
        (dict(gpus=(0, 1), runs_per_gpu=3), 6),
        (dict(gpus=(0, 1), workers=3), 3),
        (dict(gpus=(), threads=2), 4),
        (dict(gpus=(), threads=100), 1),
        (dict(gpus=()), 2),
    ],
)
def test_default_number_of_workers(options, workers, monkeypatch):
    monkeypatch.setattr('cite.studies.executors.local.cores', lambda: 8)
    executor = get_executor('local', **options)
    assert executor.workers == workers
    if 'threads' not in options:
        assert executor.threads == 8 // workers


@pytest.mark.parametrize('work', ['dies_once', 'dies_with_child'])
def test_a_run_whose_worker_died_is_done_by_another(tmp_path, study, work):
    events = do(tmp_path, study, work, workers=2, gpus=())
    (lost,) = of(events, Lost)
    assert lost.run_id == 'a/k1-s1-t0'
    assert ('SIGKILL' if work == 'dies_once' else 'exit code 3') in lost.why
    assert states(tmp_path, study) == ['done'] * 8
    assert Counter(event.state for event in of(events, Finished)) == {'done': 8}
    if work == 'dies_with_child':
        assert gone(int((tmp_path / 'child').read_text()))


def test_a_run_that_kills_workers_is_given_up_and_the_rest_go_on(tmp_path, study):
    events = do(tmp_path, study, 'always_dies', workers=1, gpus=(), retries=1)
    assert len(of(events, Lost)) == 2
    by_key = {str(record.key): record for record in records(tmp_path, study)}
    bad = by_key.pop('a/k1-s1-t0')
    assert bad.state == 'failed'
    assert bad.error.startswith('the worker died 2 times: exit code 7')
    assert bad.digest == 'd'  # of the record that it left: the same run, not another
    assert {record.state for record in by_key.values()} == {'done'}
    assert Finished('a/k1-s1-t0', 'failed') in events


@pytest.mark.parametrize('options', [dict(inline=True), dict(workers=1, gpus=())])
def test_errors_of_runs_stay_with_them(tmp_path, study, options, capfd):
    events = do(tmp_path, study, 'raises', **options)
    assert Counter(event.state for event in of(events, Finished)) == {'done': 6, 'failed': 2}
    failed = [record for record in records(tmp_path, study) if record.state == 'failed']
    assert {record.error for record in failed} == {'RuntimeError: no such luck'}
    log = tmp_path / 'logs' / 'worker-0.log'
    shown = capfd.readouterr().err if options.get('inline') else log.read_text()
    assert shown.count('Traceback') == 2


def test_inline_does_it_here(tmp_path, study):
    events = do(tmp_path, study, 'work', inline=True)
    assert {record.about['pid'] for record in records(tmp_path, study)} == {os.getpid()}
    order = [event.run_id[0] for event in of(events, Started)]
    assert order == sorted(order)  # a model at a time


def test_workers_that_cannot_start_end_the_study(tmp_path, study, monkeypatch):
    module = tmp_path / 'only_here.py'
    module.write_text(
        f'import os\nif os.getpid() != {os.getpid()}: raise OSError("bad node")\ndef work(s, r): pass'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    executor = get_executor('local', workers=2, gpus=())
    with pytest.raises(ConfigError, match=r'die before they can work.*worker-\d\.log'):
        executor.run(tasks_of(tmp_path, study), 'only_here:work', lambda event: None)
    log = ''.join(log.read_text() for log in (tmp_path / 'logs').iterdir())
    assert 'bad node' in log


DRIVER = """
import sys
sys.path[:] = {path!r}
from pathlib import Path
from small_work import tasks_of
from cite.studies.description import Study
from cite.studies.executors import get_executor
folder = Path({folder!r})
tasks = tasks_of(folder, Study.load(folder))
get_executor('local', workers=2, gpus=()).run(tasks, 'small_work:sleeps', print)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_study_leaves_no_process_and_can_be_resumed(tmp_path, study, number):
    script = DRIVER.format(path=sys.path, folder=str(tmp_path))
    driver = subprocess.Popen([sys.executable, '-c', script], stderr=subprocess.PIPE, text=True)
    try:
        notes: list[Path] = []
        until = time.monotonic() + 15
        while len(notes) < 2 and time.monotonic() < until:
            notes = [note for note in tmp_path.glob('pids-*') if note.suffix != '.tmp']
            time.sleep(0.05)
        pids = [pid for note in notes for pid in json.loads(note.read_text())]
        assert len(pids) == 4
        assert all(map(psutil.pid_exists, pids))
        driver.send_signal(number)
        _, error = driver.communicate(timeout=60)
    finally:
        driver.kill()
    if number == signal.SIGINT:
        assert 'KeyboardInterrupt' in error
    assert all(map(gone, pids))
    assert Counter(states(tmp_path, study)) == {'running': 2, None: 6}
    assert not any(map(is_claimed, (tmp_path / 'runs').glob('*/*')))
    do(tmp_path, study, 'work', workers=1, gpus=())
    assert states(tmp_path, study) == ['done'] * 8


def test_two_executors_share_a_study(tmp_path, study):
    """Both are given all runs; each run is recorded by one of them."""
    script = DRIVER.replace('sleeps', 'work').format(path=sys.path, folder=str(tmp_path))
    driver = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.DEVNULL)
    events = do(tmp_path, study, 'work', workers=1, gpus=())
    assert driver.wait(15) == 0
    assert states(tmp_path, study) == ['done'] * 8
    assert {event.state for event in of(events, Finished)} <= {'done', 'skipped'}
