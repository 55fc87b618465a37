import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cite.data import read_csv
from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.studies import choice, work
from cite.studies.claims import claim
from cite.studies.data import data_of
from cite.studies.draws import draw_slides
from cite.studies.record import read_record, read_result
from cite.studies.work import execute


def run_of(study, method, shots, split=0):
    return next(
        key
        for key in study.runs()
        if (key.method, key.shots, key.split_seed) == (method, shots, split)
    )


def test_a_run_leaves_what_a_report_needs(begun):
    study, folder = begun()
    key = run_of(study, 'CITE', '2')
    assert execute(str(folder), str(key)) == 'done'
    found = read_result(folder, key)
    record, data = found.record, data_of(study)
    assert sorted(found.predictions.files) == sorted(
        str(data.evaluation.path(row)) for row in range(len(data.evaluation))
    )
    assert found.predictions.patients is not None
    assert record.trained_parameters > 0 and record.peak_memory_mb > 0
    assert set(record.seconds) == {'choosing', 'training', 'testing'}
    assert record.about['backbone'] == 'random-vit-tiny' and 'torch' in record.about['versions']
    # two settings on two folds, each slide held out once
    assert record.choice['how'] == 'leave-one-patient-out' and len(record.choice['scores']) == 2
    trained = read_csv(key.folder(folder) / 'train.csv', classes=data.pool.classes)
    assert sorted(found.held_out.files) == sorted(trained.files)
    assert record.split_hash == draw_slides(data.pool, '2', 0).hash
    assert 0.05 <= record.temperature <= 20
    left = {path.name for path in key.folder(folder).iterdir()}
    assert {'config.py', 'results.json', 'adapter.safetensors', 'train.csv'} <= left
    assert 'choosing' not in left and not [name for name in left if name.endswith('.pth')]


def test_with_one_slide_the_preset_is_taken(begun):
    study, folder = begun()
    key = run_of(study, 'linear probe', '1')
    assert execute(str(folder), str(key)) == 'done'
    found = read_result(folder, key)
    assert found.record.choice['how'] == 'preset' and found.held_out is None
    assert found.record.temperature is None


def test_done_is_done_and_the_same_again(begun, monkeypatch):
    study, folder = begun()
    key = run_of(study, 'linear probe', '2')
    execute(str(folder), str(key))
    first = read_result(folder, key)
    with monkeypatch.context() as patch:
        patch.setattr(work, 'train_and_test', pytest.fail)
        assert execute(str(folder), str(key)) == 'done'
    (key.folder(folder) / 'run.json').unlink()
    execute(str(folder), str(key))
    again = read_result(folder, key)
    np.testing.assert_array_equal(first.predictions.probabilities, again.predictions.probabilities)
    assert first.record.choice == again.record.choice


def test_another_setting_is_another_run(begun):
    study, folder = begun()
    key = run_of(study, 'linear probe', '1')
    execute(str(folder), str(key))
    before = read_record(folder, key)
    options = {'optim_wrapper.optimizer.lr': 0.5}
    changed, _ = begun(options=options)
    assert execute(str(folder), str(key)) == 'done'
    after = read_record(folder, key)
    assert after.digest != before.digest and after.started > before.started
    assert changed.runs() == study.runs()


def test_the_baseline_is_a_run_like_others(begun, small_data, monkeypatch):
    monkeypatch.chdir(small_data.parent)  # relative paths, as most configs have them
    study, folder = begun(options={'data_root': small_data.name})
    key = run_of(study, 'colour histogram', '2', 1)
    assert execute(str(folder), str(key)) == 'done'
    found = read_result(folder, key)
    assert (
        found.predictions.predicted == found.predictions.labels
    ).mean() > 0.9  # red, green, blue
    assert found.record.about['baseline'] == 'colour'
    model = run_of(study, 'linear probe', '1')
    execute(str(folder), str(model))
    assert sorted(read_result(folder, model).predictions.files) == sorted(found.predictions.files)


def test_a_failed_run_is_recorded_and_tried_again(begun):
    options = {'optim_wrapper.optimizer.lr': 1e20}
    study, folder = begun(options=options)
    key = run_of(study, 'CITE', '1')
    assert execute(str(folder), str(key)) == 'failed'
    record = read_record(folder, key)
    assert record.state == 'failed' and 'loss' in record.error
    assert 'Traceback' in (key.folder(folder) / 'error.txt').read_text()
    begun()
    assert execute(str(folder), str(key)) == 'done'
    assert not (key.folder(folder) / 'error.txt').exists()


def test_a_setting_that_diverges_is_not_chosen(begun):
    study, folder = begun()
    name = 'optim_wrapper.optimizer.lr'
    wild = {'CITE': {'choose': {name: [1e20, 1e-3]}}}
    study, folder = begun(methods=wild)
    key = run_of(study, 'CITE', '2')
    assert execute(str(folder), str(key)) == 'done'
    record = read_record(folder, key)
    assert record.choice['candidate']['options'] == {name: 1e-3}
    json.loads((key.folder(folder) / 'run.json').read_text())


def test_a_run_that_another_has_is_skipped(begun):
    study, folder = begun()
    key = run_of(study, 'linear probe', '1')
    with claim(key.folder(folder)):
        assert execute(str(folder), str(key)) == 'skipped'
    assert read_record(folder, key) is None


def test_no_such_run(begun):
    _, folder = begun()
    with pytest.raises(DataError, match='has no run'):
        execute(str(folder), 'CITE/k3-s0-t0')


def test_choosing_goes_on_where_it_was(begun, monkeypatch):
    study, folder = begun()
    key = run_of(study, 'CITE', '2')
    calls = []
    real = choice.train_and_test

    def stop_after_two(cfg, resume=False):
        calls.append(cfg.work_dir)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(cfg, resume)

    monkeypatch.setattr(choice, 'train_and_test', stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        execute(str(folder), str(key))
    assert read_record(folder, key).state == 'running'
    assert execute(str(folder), str(key)) == 'done'
    assert len(calls) == 3 + 2  # the third anew, and the fourth


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_run_that_was_never_killed(begun, tmp_path):
    slow = {'train_cfg.max_iters': 60, 'default_hooks.checkpoint.interval': 5}
    study, folder = begun(options=slow)
    key = run_of(study, 'CITE', '1')
    assert execute(str(folder), str(key)) == 'done'
    whole = Predictions.from_parquet(key.folder(folder) / 'predictions.parquet')

    other = tmp_path / 'other'
    other.mkdir()
    study.write(other)
    code = f'from cite.studies.work import execute; execute({str(other)!r}, {str(key)!r})'
    process = subprocess.Popen([sys.executable, '-c', code])
    deadline = time.monotonic() + 120
    while not list(key.folder(other).glob('iter_*.pth')) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read_record(other, key).state == 'running'
    assert execute(str(other), str(key)) == 'done'
    log = next(key.folder(other).glob('*/*.log'), None)
    assert log is not None
    resumed = Predictions.from_parquet(key.folder(other) / 'predictions.parquet')
    np.testing.assert_array_equal(whole.probabilities, resumed.probabilities)
