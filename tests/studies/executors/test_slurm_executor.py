"""The executor for Slurm: submitit's stand-ins, and stand-ins for Slurm's own programs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter

import pytest
from small_work import make_study, records, states, tasks_of
from stub_slurm import install

from cite.errors import ConfigError
from cite.studies.executors import Finished, Lost, Started, get_executor
from cite.studies.executors.slurm_chunk import Chunk, Journal
from cite.studies.record import read_record

pytest.importorskip('submitit')


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Jobs find the work."""
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(path for path in sys.path if path))


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp('slurm')
    state = install(folder)
    monkeypatch.setenv('PATH', f'{folder / "bin"}{os.pathsep}{os.environ["PATH"]}')
    return state


def do(folder, study, work, on_event=None, **options):
    events = []
    executor = get_executor('slurm', **{'interval': 0.1, 'gpus_per_node': 0, **options})
    executor.run(tasks_of(folder, study), f'small_work:{work}', on_event or events.append)
    return events


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_in_this_process(tmp_path):
    study = make_study(tmp_path)
    events = do(tmp_path, study, 'work', cluster='debug', runs_per_job=3)
    assert states(tmp_path, study) == ['done'] * 8
    assert len(of(events, Started)) == len(of(events, Finished)) == 8
    assert len(list((tmp_path / 'slurm').glob('*.jsonl'))) == 3
    order = [event.run_id[0] for event in of(events, Started)]
    assert order == sorted(order)  # a model at a time


@pytest.mark.slow
def test_in_processes_of_which_one_dies(tmp_path):
    study = make_study(tmp_path)
    events = do(tmp_path, study, 'dies_once', cluster='local', runs_per_job=4)
    assert states(tmp_path, study) == ['done'] * 8
    assert [event.run_id for event in of(events, Lost)] == ['a/k1-s1-t0']
    assert Counter(event.state for event in of(events, Finished)) == {'done': 8}
    pids = {record.about['pid'] for record in records(tmp_path, study)}
    assert len(pids) == 3 and os.getpid() not in pids


@pytest.mark.slow
def test_a_run_that_kills_jobs_is_given_up(tmp_path):
    study = make_study(tmp_path, ('a',), 3)
    do(tmp_path, study, 'always_dies', cluster='local', retries=1)
    assert states(tmp_path, study) == ['done', 'failed', 'done']
    assert 'the worker died 2 times: job' in read_record(tmp_path, study.runs()[1]).error


def test_what_sbatch_is_told(tmp_path, slurm):
    study = make_study(tmp_path)
    begin = time.monotonic()
    do(
        tmp_path,
        study,
        'sleeps_once',
        partition='gpu',
        time=90,
        gpus_per_node=2,
        cpus=6,
        mem_gb=24,
        parallel=3,
        runs_per_job=2,
        setup=['module load cuda', 'export SMALL_WORK=1'],
        extra={'account': 'pathology'},
        wait=False,
    )
    assert time.monotonic() - begin < 5
    text = (slurm / 'script-100').read_text()
    told = dict(
        line.removeprefix('#SBATCH --').split('=', 1)
        for line in text.splitlines()
        if line.startswith('#SBATCH') and '=' in line
    )
    assert told['partition'] == 'gpu'
    assert told['time'] == '90'
    assert told['gpus-per-node'] == '2'
    assert told['cpus-per-task'] == '6'
    assert told['mem'] == '24GB'
    assert told['array'] == '0-3%3'
    assert told['account'] == 'pathology'
    assert told['output'].startswith(str(tmp_path / 'slurm'))
    body = text[text.index('# setup') :]
    lines = ['OMP_NUM_THREADS=6', 'module load cuda', 'export SMALL_WORK=1', 'srun']
    assert [body.index(line) for line in lines] == sorted(body.index(line) for line in lines)
    (tmp_path / 'first-sleep').touch()


def test_jobs_of_an_array_of_which_one_dies(tmp_path, slurm):
    study = make_study(tmp_path)
    events = do(
        tmp_path, study, 'dies_once', cpus=1, runs_per_job=4, setup=['export SMALL_WORK=told']
    )
    assert states(tmp_path, study) == ['done'] * 8
    assert [event.run_id for event in of(events, Lost)] == ['a/k1-s1-t0']
    about = [record.about for record in records(tmp_path, study)]
    assert {a['SMALL_WORK'] for a in about} == {'told'}
    assert {a['OMP_NUM_THREADS'] for a in about} == {'1'}
    assert sorted(path.name for path in slurm.glob('script-*')) == ['script-100', 'script-101']


def test_an_interrupt_cancels_jobs(tmp_path, slurm):
    study = make_study(tmp_path, ('a',), 2)

    def on_event(event):
        (tmp_path / 'first-sleep').touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(tmp_path, study, 'sleeps_once', on_event, runs_per_job=1)
    cancelled = {path.name for path in slurm.glob('cancelled-*')}
    assert cancelled == {'cancelled-100_0', 'cancelled-100_1'}


def test_no_slurm_here(tmp_path, monkeypatch):
    study = make_study(tmp_path)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(ConfigError, match="no 'sbatch'"):
        do(tmp_path, study, 'work')


def test_sbatch_that_refuses(tmp_path, slurm):
    study = make_study(tmp_path)
    sbatch = slurm.parent / 'bin' / 'sbatch'
    sbatch.write_text('#!/bin/sh\necho "invalid partition specified: gpu" >&2\nexit 1\n')
    with pytest.raises(ConfigError, match='invalid partition'):
        do(tmp_path, study, 'work')


@pytest.mark.parametrize(
    'options',
    [dict(time=0), dict(cpus=0), dict(parallel=0), dict(runs_per_job=0), dict(cluster='moon')],
)
def test_options_that_cannot_be(options):
    with pytest.raises(ConfigError, match='executor slurm'):
        get_executor('slurm', **options)


def test_submitit_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(ConfigError, match=r"pip install 'cite-pathology\[slurm\]'"):
        get_executor('slurm')


def test_a_job_that_is_queued_again_has_what_is_left(tmp_path):
    study = make_study(tmp_path)
    tasks = tasks_of(tmp_path, study)[:3]
    chunk = Chunk(tasks, 'small_work:interrupted', str(tmp_path / 'journal'))
    with pytest.raises(SystemExit):  # as submitit's handler of Slurm's signal ends the process
        chunk()
    again = chunk.checkpoint().function
    assert again.tasks == tasks[1:]
    assert again.journal == chunk.journal


def test_a_journal_is_read_by_whole_lines(tmp_path):
    path = tmp_path / 'journal'
    journal = Journal(path)
    assert journal.news() == []
    line = json.dumps({'started': 'a/k1-s0-t0', 'value': 'node-1'})
    path.write_text(line + '\n' + line[:9])
    assert journal.news() == [('started', 'a/k1-s0-t0', 'node-1')]
    assert journal.news() == []
    with path.open('a') as file:
        file.write(line[9:] + '\n' + json.dumps({'ended': 'a/k1-s0-t0', 'value': 'done'}) + '\n')
    assert [what for what, *_ in journal.news()] == ['started', 'ended']
