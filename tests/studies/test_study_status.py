"""What is read of a study while it runs, and how it is shown."""

from __future__ import annotations

import io
import time
from contextlib import ExitStack

import pytest

from cite.errors import DataError
from cite.studies import status_table as module
from cite.studies.claims import claim
from cite.studies.description import Method, Study
from cite.studies.record import DONE, FAILED, RUNNING, RunRecord
from cite.studies.run_key import RunKey
from cite.studies.status import Counts, study_status
from cite.studies.status_table import duration, status_table, watch


def make(folder, methods=('a', 'b c'), shots=('16', '2'), seeds=3):
    study = Study(
        'breast',
        (*(Method(m, config='any') for m in methods), Method('colour', baseline='colour')),
        shots,
        tuple(range(seeds)),
        (0, 1),
    )
    study.check()
    study.write(folder)
    return study


def record(folder, method, shots, split, state, seed=0, **known):
    RunRecord(RunKey(method, shots, split, seed), 'd', state, **known).write(folder)


@pytest.fixture
def begun(tmp_path):
    """A study in the middle; the claim of one of its two runs 'running' is held."""
    make(tmp_path)
    for split in (0, 1):
        took = {'choosing': 10.0, 'training': 5.0 + 10 * split}
        record(tmp_path, 'a', '2', split, DONE, seconds=took)
    record(tmp_path, 'a', '16', 0, DONE, seconds={'training': 100.0})
    error = 'out of memory\ntraceback'
    record(tmp_path, 'b c', '2', 0, FAILED, error=error, seconds={'training': 7.0})
    record(tmp_path, 'b c', '2', 1, FAILED, error=error)
    record(tmp_path, 'b c', '2', 2, FAILED, error='no such file')
    record(tmp_path, 'b c', '16', 0, RUNNING, started=time.time() - 10)
    record(tmp_path, 'b c', '16', 1, RUNNING, started=time.time() - 10)
    with claim(RunKey('b c', '16', 0, 0).folder(tmp_path)):
        yield tmp_path


def test_runs_are_counted_by_method_and_shots(begun):
    status = study_status(begun)
    assert status.methods == ('a', 'b c', 'colour')
    assert status.shots == ('2', '16')
    assert status.cells['a', '2'] == Counts(done=2, waiting=4)
    assert status.cells['a', '16'] == Counts(done=1, waiting=5)
    assert status.cells['b c', '2'] == Counts(failed=3, waiting=3)
    assert status.cells['b c', '16'] == Counts(running=1, waiting=5, interrupted=1)
    assert status.cells['colour', '2'] == Counts(waiting=3)
    assert status.counts.total == 30
    assert not status.over
    assert status.seconds == 15 + 25 + 100 + 7
    assert status.errors == {
        'out of memory': ('b_c/k2-s0-t0', 'b_c/k2-s1-t0'),
        'no such file': ('b_c/k2-s2-t0',),
    }


def test_time_left_is_what_alike_runs_took(begun):
    status = study_status(begun)
    overall = (15 + 25 + 100) / 3  # nothing of 'b c' and of the baseline is done
    work = 4 * 20 + 5 * 100 + (3 + 5 + 6) * overall + (overall - 10)
    assert status.seconds_left == pytest.approx(work, abs=1)
    with ExitStack() as stack:  # two that run take half as long
        stack.enter_context(claim(RunKey('b c', '16', 1, 0).folder(begun)))
        assert study_status(begun).seconds_left == pytest.approx((work - 10) / 2, abs=1)


def test_a_method_is_estimated_by_its_own_runs_first(tmp_path):
    make(tmp_path, ('a', 'b'), seeds=1)
    record(tmp_path, 'a', '2', 0, DONE, seconds={'training': 1.0})
    record(tmp_path, 'b', '2', 0, DONE, seconds={'training': 50.0})
    # a: one left at 2 and two at 16 shots; b likewise; two of the baseline
    assert study_status(tmp_path).seconds_left == pytest.approx(3 * 1 + 3 * 50 + 2 * 25.5)


def test_nothing_begun(tmp_path):
    make(tmp_path)
    status = study_status(tmp_path)
    assert status.seconds_left is None
    assert status.counts == Counts(waiting=30)
    assert 'left' not in status_table(status)
    with pytest.raises(DataError, match=r'study\.json'):
        study_status(tmp_path / 'elsewhere')


def test_reading_writes_nothing(begun):
    before = {path: path.stat().st_mtime_ns for path in begun.rglob('*')}
    status_table(study_status(begun))
    assert {path: path.stat().st_mtime_ns for path in begun.rglob('*')} == before


def test_the_table(begun):
    lines = status_table(study_status(begun), 200).split('\n')
    assert lines[0].startswith(
        'breast: 3 of 30 done, 1 running, 3 failed, 23 waiting (1 interrupted); 2 min used, about '
    )
    rows = {line.split('  ')[0].strip(): line for line in lines[1:5]}
    assert rows['shots'].split() == ['shots', '2', '16']
    assert rows['a'].split() == ['a', '2/6', '1/6']
    assert rows['b c'].split() == ['b', 'c', '0/6', '!3', '0/6', '▸1']
    assert rows['b c'].index('0/6 ▸1') == rows['shots'].index('16') == rows['a'].index('1/6')
    assert lines[5] == '! 2 × out of memory'
    assert lines[6].strip() == 'b_c/k2-s0-t0, b_c/k2-s1-t0'
    assert lines[7] == '! 1 × no such file'


@pytest.mark.parametrize('width', [24, 40, 80])
def test_the_table_fits(tmp_path, width):
    methods = ('a method whose name is a sentence of its own', 'b')
    study = make(tmp_path, methods, ('1', '2', '4', '8', '16', '32', '64', 'all'))
    record(tmp_path, 'b', 'all', 0, FAILED, error='e' * 300)
    text = status_table(study_status(tmp_path), width)
    assert max(map(len, text.split('\n'))) <= width
    for shots in study.shots:
        assert f' {shots}' in text
    assert text.count('0/6') == 16 and '0/6 !1' in text


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '0 s'), (99, '99 s'), (720, '12 min'), (12000, '3 h 20 min'), (190800, '2 d 5 h')],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_watching_ends_with_the_study_and_redraws_in_place(tmp_path, monkeypatch):
    make(tmp_path, ('a',), ('2',), 1)
    monkeypatch.setattr(module.shutil, 'get_terminal_size', lambda: (80, 24))
    left = [('a', 0), ('a', 1), ('colour', 0)]

    def work(seconds):
        method, seed = left.pop()
        record(tmp_path, method, '2', 0, DONE, seed, seconds={'training': 1.0})

    monkeypatch.setattr(module.time, 'sleep', work)
    terminal = Terminal()
    status = watch(tmp_path, stream=terminal)
    assert status.over and not left
    frames = terminal.getvalue().split('\x1b[4F\x1b[J')  # headline, header, two methods
    assert [frame.count('\n') for frame in frames] == [4] * 4
    assert '0 of 3 done' in frames[0] and '3 of 3 done' in frames[-1]


def test_a_low_terminal_shows_what_fits(begun, monkeypatch):
    monkeypatch.setattr(module.shutil, 'get_terminal_size', lambda: (30, 5))
    monkeypatch.setattr(
        module.time, 'sleep', lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    terminal = Terminal()
    assert not watch(begun, stream=terminal).over  # Ctrl-C ends it without a traceback
    lines = terminal.getvalue().rstrip('\n').split('\n')
    assert len(lines) == 4 and 'more lines' in lines[-1]
    assert max(map(len, lines)) < 30


@pytest.mark.parametrize(('kind', 'once'), [(io.StringIO, False), (Terminal, True)])
def test_it_is_shown_once_where_nobody_follows(begun, kind, once, monkeypatch):
    monkeypatch.setattr(module.time, 'sleep', lambda seconds: pytest.fail('waits'))
    stream = kind()
    watch(begun, once=once, stream=stream)
    assert '\x1b' not in stream.getvalue()
    assert stream.getvalue().count('breast:') == 1
