from __future__ import annotations

import json

import pytest

from cite.errors import DataError
from cite.experiments.curves import read_training_log


def write(run_dir, stamp, entries, tail=''):
    folder = run_dir / stamp / 'vis_data'
    folder.mkdir(parents=True)
    text = ''.join(json.dumps(entry) + '\n' for entry in entries)
    (folder / 'scalars.json').write_text(text + tail)


def train(step, loss, **more):
    return {'lr': 0.1, 'loss': loss, 'iter': step, 'step': step, **more}


def val(step, score):
    return {'patch/balanced_accuracy': score, 'step': step}


def test_no_log_is_an_empty_list(tmp_path):
    assert read_training_log(tmp_path) == []


def test_training_and_validation_at_one_step_are_both_kept(tmp_path):
    entries = [train(10, 1.0), train(20, 0.9), val(20, 0.5)]
    write(tmp_path, '20240101_000000', entries)
    assert read_training_log(tmp_path) == entries


def test_resumed_run_replaces_what_followed_its_checkpoint(tmp_path):
    write(tmp_path, '20240102_000000', [train(30, 0.33), val(30, 0.6), train(50, 0.2)])
    write(
        tmp_path,
        '20240101_000000',
        [
            train(10, 1.0),
            val(10, 0.4),
            train(20, 0.9),
            train(30, 0.8),
            val(30, 0.1),
            train(40, 9.0),
        ],
    )
    write(tmp_path, '20240103_000000', [])  # a test run: mmengine makes a folder, logs no scalars
    found = read_training_log(tmp_path)
    expected = [train(10, 1.0), val(10, 0.4), train(20, 0.9), train(30, 0.33), val(30, 0.6)]
    assert found == [*expected, train(50, 0.2)]


def test_run_started_anew_in_the_same_folder_is_not_mixed_with_the_old_one(tmp_path):
    write(tmp_path, '20240101_000000', [train(step, 1.0) for step in (10, 20, 30)])
    write(tmp_path, '20240102_000000', [train(10, 0.5), train(20, 0.4)])
    assert read_training_log(tmp_path) == [train(10, 0.5), train(20, 0.4)]


@pytest.mark.parametrize('numbers', [(1, 2), (0, 0)])  # epoch-based loop; iteration-based loop
def test_validation_numbered_by_epoch_is_placed_at_its_iteration(tmp_path, numbers):
    first, second = numbers
    entries = [train(50, 1.0), train(100, 0.9), val(first, 0.5), train(200, 0.8), val(second, 0.6)]
    write(tmp_path, '20240101_000000', entries)
    found = [entry for entry in read_training_log(tmp_path) if 'iter' not in entry]
    assert found == [val(100, 0.5), val(200, 0.6)]


def test_validation_between_logged_training_steps_keeps_its_own(tmp_path):
    write(tmp_path, '20240101_000000', [train(10, 1.0), val(15, 0.5), train(20, 0.9)])
    assert [entry['step'] for entry in read_training_log(tmp_path)] == [10, 15, 20]


@pytest.mark.parametrize('tail', ['{"loss": 0.5, "st', '{"loss": 0.5}', 'null\n', '\x00\x00'])
def test_last_line_that_was_cut_off_is_dropped(tmp_path, tail):
    write(tmp_path, '20240101_000000', [train(10, 1.0)], tail)
    assert read_training_log(tmp_path) == [train(10, 1.0)]


def test_damage_elsewhere_is_named(tmp_path):
    write(tmp_path, '20240101_000000', [train(10, 1.0)], 'oops\n' + json.dumps(train(20, 1.0)))
    with pytest.raises(DataError, match=r'scalars\.json, line 2'):
        read_training_log(tmp_path)
