"""Work that costs nothing, and ways in which it goes wrong; importable where workers are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from cite.studies.claims import claim
from cite.studies.description import Method, Study
from cite.studies.executors import Task
from cite.studies.record import DONE, FAILED, RUNNING, RunRecord, read_record


def make_study(folder: Path, methods: tuple[str, ...] = ('a', 'b c'), seeds: int = 4) -> Study:
    """A study with `seeds` runs of each method, none of them begun."""
    study = Study(
        'small', tuple(Method(m, config='any') for m in methods), ('1',), tuple(range(seeds))
    )
    study.check()
    study.write(folder)
    return study


def tasks_of(folder: Path, study: Study) -> list[Task]:
    """All its runs, the methods taking turns, a group per method."""
    keys = sorted(study.runs(), key=lambda key: (key.split_seed, key.method))
    return [Task(str(folder), str(key), key.method) for key in keys]


def states(folder: Path, study: Study) -> list[str | None]:
    """Of every record."""
    return [record and record.state for record in records(folder, study)]


def records(folder: Path, study: Study) -> list[RunRecord | None]:
    """Of all runs, in order."""
    keys = study.runs()
    return [read_record(folder, key) for key in keys]


def key_of(study: str, run_id: str):
    keys = Study.load(Path(study)).runs()
    return {str(key): key for key in keys}[run_id]


def first_time(study: str, what: str) -> bool:
    """Whether nothing in this study has asked this before, in any process."""
    try:
        (Path(study) / f'first-{what}').open('x').close()
    except FileExistsError:
        return False
    return True


def work(study: str, run_id: str) -> str:
    """Claims the run, notes who did it and what it was given, and is done."""
    key = key_of(study, run_id)
    with claim(key.folder(study)) as ours:
        if not ours:
            return 'skipped'
        RunRecord(key, 'd', RUNNING).write(Path(study))
        time.sleep(0.02)
        names = ('OMP_NUM_THREADS', 'CUDA_VISIBLE_DEVICES', 'SMALL_WORK')
        about = {'pid': os.getpid(), **{name: os.environ.get(name) for name in names}}
        RunRecord(key, 'd', DONE, seconds={'training': 0.02}, about=about).write(Path(study))
    print(f'did {run_id}')
    return DONE


def dies_once(study: str, run_id: str) -> str:
    """Kills its own process in the middle of run a/k1-s1-t0, the first time."""
    if run_id == 'a/k1-s1-t0':
        key = key_of(study, run_id)
        with claim(key.folder(study)):
            RunRecord(key, 'd', RUNNING).write(Path(study))
            if first_time(study, 'death'):
                os.kill(os.getpid(), signal.SIGKILL)
    return work(study, run_id)


def dies_with_child(study: str, run_id: str) -> str:
    """As `dies_once`, and leaves a process behind that holds the worker's output and the claim open."""
    if run_id == 'a/k1-s1-t0':
        with claim(key_of(study, run_id).folder(study)):
            if first_time(study, 'death'):
                child = os.fork()
                if child == 0:
                    time.sleep(60)
                    os._exit(0)
                (Path(study) / 'child').write_text(str(child))
                os._exit(3)
    return work(study, run_id)


def always_dies(study: str, run_id: str) -> str:
    """Ends the process with run a/k1-s1-t0, every time."""
    if run_id == 'a/k1-s1-t0':
        RunRecord(key_of(study, run_id), 'd', RUNNING).write(Path(study))
        os._exit(7)
    return work(study, run_id)


def raises(study: str, run_id: str) -> str:
    """Breaks its promise on every second run."""
    if '-s1-' in run_id:
        raise RuntimeError('no such luck\nsecond line')
    return work(study, run_id)


def fails(study: str, run_id: str) -> str:
    """Fails as work should: with a record."""
    RunRecord(key_of(study, run_id), 'd', FAILED, error='as expected').write(Path(study))
    return FAILED


def sleeps(study: str, run_id: str) -> str:
    """Holds the run for a minute, with a child; notes both processes."""
    key = key_of(study, run_id)
    with claim(key.folder(study)):
        RunRecord(key, 'd', RUNNING).write(Path(study))
        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
        note = Path(study) / f'pids-{key.split_seed}-{key.method}'
        note.with_suffix('.tmp').write_text(json.dumps([os.getpid(), child.pid]))
        note.with_suffix('.tmp').rename(note)
        time.sleep(60)
    return DONE


def sleeps_once(study: str, run_id: str) -> str:
    """Holds the run for a minute unless `first-sleep` lies in the study."""
    if not (Path(study) / 'first-sleep').exists():
        time.sleep(60)
    return work(study, run_id)


def interrupted(study: str, run_id: str) -> str:
    """Ends the process on all but the first run, as a signal handler does."""
    if not first_time(study, 'interruption'):
        raise SystemExit(1)
    return work(study, run_id)


def gone(pid, seconds=5.0):
    """Whether a process ends in time; one that its parent has not asked about counts as ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
