"""Names of executors and of work, and the order in which tasks are given out."""

from __future__ import annotations

import pytest
from small_work import make_study

from cite.errors import ConfigError, DataError
from cite.studies.claims import claim
from cite.studies.executors import EXECUTORS, Finished, Lost, Task, get_executor
from cite.studies.executors.base import by_group, call_work, load_work, record_failure
from cite.studies.executors.losses import Losses
from cite.studies.executors.waiting import Waiting
from cite.studies.record import read_record


def test_unknown_names_and_options():
    with pytest.raises(ConfigError, match='local, ray, slurm'):
        get_executor('moon')
    for name in EXECUTORS:
        with pytest.raises(ConfigError, match='colour'):
            get_executor(name, colour='red')


@pytest.mark.parametrize(
    'options',
    [dict(workers=0), dict(threads=0), dict(runs_per_gpu=0), dict(inline=True, workers=2)],
)
def test_numbers_of_the_local_executor(options):
    with pytest.raises(ConfigError, match='found'):
        get_executor('local', **{'gpus': (), **options})


@pytest.mark.parametrize('work', ['small_work', 'small_work:nothing', 'no_such_module:work', ''])
def test_work_that_is_not_there(work):
    with pytest.raises(ConfigError, match='module:function'):
        load_work(work)


def test_work_with_a_state_of_its_own_fails(tmp_path):
    study = make_study(tmp_path)
    task = Task(str(tmp_path), 'a/k1-s0-t0')
    assert call_work(lambda study, run_id: 'splendid', task) == 'failed'
    assert 'splendid' in read_record(tmp_path, study.runs()[0]).error


def test_failure_of_a_method_whose_name_is_no_folder(tmp_path):
    study = make_study(tmp_path, ('b c',), 1)
    assert record_failure(Task(str(tmp_path), 'b_c/k1-s0-t0'), 'why') == 'failed'
    assert read_record(tmp_path, study.runs()[0]).error == 'why'
    with pytest.raises(DataError, match='no run'):
        record_failure(Task(str(tmp_path), 'b_c/k1-s7-t0'), 'why')


def test_a_run_that_another_works_on_is_not_recorded_as_failed(tmp_path):
    study = make_study(tmp_path)
    events = []
    with claim(study.runs()[0].folder(tmp_path)):
        again = Losses(0, events.append).again(Task(str(tmp_path), 'a/k1-s0-t0'), 'w', 'gone')
    assert not again
    assert events == [Lost('a/k1-s0-t0', 'w', 'gone'), Finished('a/k1-s0-t0', 'skipped')]
    assert read_record(tmp_path, study.runs()[0]) is None


def test_negative_retries():
    with pytest.raises(ConfigError, match='retries'):
        Losses(-1, print)


def named(*pairs):
    return [Task('s', run, group) for run, group in pairs]


def test_a_worker_stays_with_its_group_and_new_ones_go_where_nobody_is():
    waiting = Waiting(named(('1', 'x'), ('2', 'y'), ('3', 'x'), ('4', 'y'), ('5', 'y')))
    assert waiting.take(None).run_id == '1'
    assert waiting.take(None, ['x']).run_id == '2'
    assert waiting.take('x', ['y']).run_id == '3'
    assert waiting.take('x', ['y']).run_id == '4'  # none of its own left: it helps
    waiting.put(Task('s', '6', 'x'))
    assert waiting.take('y', []).run_id == '5'
    assert len(waiting) == 1
    assert waiting.take('y', []).run_id == '6'
    assert waiting.take('y', []) is None


def test_groups_lie_together():
    tasks = named(('1', 'x'), ('2', 'y'), ('3', 'x'), ('4', 'y'))
    assert [task.run_id for task in by_group(tasks)] == ['1', '3', '2', '4']
