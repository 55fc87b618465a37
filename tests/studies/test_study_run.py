import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from repo import REPO

from cite.errors import ConfigError, DataError
from cite.studies import plan as plan_module
from cite.studies.claims import claim
from cite.studies.data import data_of
from cite.studies.executors import get_executor
from cite.studies.plan import make_plan
from cite.studies.record import DONE, read_record, read_result
from cite.studies.run import begin, run_study, start_study
from cite.studies.status import study_status
from cite.studies.work import execute

INLINE = get_executor('local', inline=True)


def states(study, folder):
    records = [read_record(folder, key) for key in study.runs()]
    return [record.state if record else None for record in records]


def test_from_description_to_results(small_study, tmp_path, capsys):
    study = small_study(shots=[1])
    started = start_study(study, tmp_path / 's')
    assert len(started.plan.pending) == 2 * 2 + 2
    assert 'images: 36 compared, 0 in both' in started.text
    assert 'evaluation set: 12 patches, slides: 2 well, 2 moderate, 2 poor' in started.text
    assert all(part.seconds is not None for part in started.plan.methods)
    assert started.plan.seconds > 0 and started.plan.disk_mb > 0
    assert run_study(started, INLINE) == 0
    assert states(study, tmp_path / 's') == [DONE] * 6
    again = start_study(study, tmp_path / 's')
    assert again.plan.pending == [] and '0 runs to do' in again.text


def test_the_plan_counts_trainings(small_study, tmp_path):
    study = small_study(shots=[1, 2, 'all'])
    plan = make_plan(study, data_of(study), tmp_path, probe=False)
    by_name = {part.name: part for part in plan.methods}
    # per draw: the preset at k = 1, 2 settings × 2 folds + 1 at k = 2, 2 × 4 + 1 with all four slides
    assert by_name['CITE'].trainings == 2 * (1 + 5 + 9)
    assert by_name['colour histogram'].trainings == 2 * 3
    assert plan.seconds is None and plan.disk_mb is None


def test_a_study_grows(small_study, tmp_path):
    small = small_study(shots=[1], split_seeds=1, methods={'CITE': {}})
    run_study(start_study(small, tmp_path / 's', probe=False), INLINE)
    first = read_record(tmp_path / 's', small.runs()[0])
    large = small_study(shots=[1], split_seeds=2, methods={'CITE': {}})
    started = start_study(large, tmp_path / 's', probe=False)
    assert [str(key) for key in started.plan.pending] == [
        'CITE/k1-s1-t0',
        'colour_histogram/k1-s1-t0',
    ]
    run_study(started, INLINE)
    assert read_record(tmp_path / 's', large.runs()[0]) == first


def test_one_that_fails_leaves_the_others(small_study, tmp_path, capsys):
    methods = {
        'wrong': {'options': {'model.backbone.tuning': {'type': 'NoSuchTuning'}}},
        'CITE': {},
    }
    study = small_study(shots=[1], methods=methods)
    started = start_study(study, tmp_path / 's')
    assert 'wrong will fail' in started.text and 'NoSuchTuning' in started.text
    assert run_study(started, INLINE) == 2
    assert states(study, tmp_path / 's') == ['failed'] * 2 + [DONE] * 4
    said = capsys.readouterr().out
    assert said.count('NoSuchTuning') == 1 and '2 failed (wrong/k1-s0-t0, wrong/k1-s1-t0)' in said


def test_leaks_are_refused_before_anything_is_written(small_study, small_data, tmp_path):
    pool = 'train_dataloader.dataset.ann_file'
    study = small_study(options={pool: str(small_data / 'val.csv')})
    with pytest.raises(DataError, match=r'slide.*well4'):
        start_study(study, tmp_path / 's')
    assert not (tmp_path / 's').exists()


def test_methods_on_different_patches_are_refused(small_study, small_data, tmp_path):
    rows = (small_data / 'val.csv').read_text().splitlines()
    (tmp_path / 'fewer.csv').write_text('\n'.join(rows[:1] + rows[1::2]))
    other = {'options': {'test_dataloader.dataset.ann_file': str(tmp_path / 'fewer.csv')}}
    study = small_study(
        methods={'CITE': {}, 'other': other},
        options={'data_root': str(small_data)},
    )
    with pytest.raises(ConfigError, match="'CITE' and 'other' have different evaluation patches"):
        data_of(study)


def test_more_shots_than_slides(small_study, tmp_path):
    with pytest.raises(DataError, match='8 shots need 8 training slides per class'):
        start_study(small_study(shots=[8]), tmp_path / 's', probe=False)


def test_folders_that_are_not_ours(small_study, tmp_path):
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'thesis.doc').write_text('')
    (tmp_path / 'file').write_text('')
    for name, message in (('full', 'holds other things'), ('file', 'is a file')):
        with pytest.raises(ConfigError, match=message):
            start_study(small_study(), tmp_path / name)


def test_baselines_alone_have_no_data(small_study, tmp_path):
    study = replace(small_study(), methods=small_study().methods[-1:])
    with pytest.raises(ConfigError, match='no methods but baselines'):
        start_study(study, tmp_path / 's')


def test_a_full_disk_is_told_first(small_study, tmp_path, monkeypatch):
    usage = plan_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(plan_module.shutil, 'disk_usage', lambda path: usage._replace(free=1000))
    with pytest.raises(DataError, match='make room'):
        start_study(small_study(shots=[1]), tmp_path / 's')


def test_a_missing_tracker_is_told_first(small_study, tmp_path):
    with pytest.raises(ConfigError, match='mlflow'):
        start_study(small_study(tracking='mlflow'), tmp_path / 's')


def test_curves_of_every_run_in_tensorboard(small_study, tmp_path):
    study = small_study(shots=[1], split_seeds=1, methods={'CITE': {}}, tracking='tensorboard')
    run_study(start_study(study, tmp_path / 's', probe=False), INLINE)
    assert list((tmp_path / 's').rglob('events.out.tfevents.*'))


def test_a_plan_writes_nothing(small_study, tmp_path):
    start_study(small_study(), tmp_path / 's')
    assert not (tmp_path / 's').exists()


def test_what_was_done_by_another_description_waits(small_study, tmp_path):
    study = small_study(shots=[1], methods={'CITE': {}})
    run_study(start_study(study, tmp_path / 's', probe=False), INLINE)
    slower = small_study(
        shots=[1], methods={'CITE': {}}, options={'optim_wrapper.optimizer.lr': 1e-5}
    )
    begin(started := start_study(slower, tmp_path / 's', probe=False))
    assert len(started.plan.pending) == 2  # not the baseline, which no learning rate changes
    counts = study_status(tmp_path / 's').counts
    assert (counts.done, counts.waiting) == (2, 2)
    begin(start_study(study, tmp_path / 's', probe=False))  # and back
    assert study_status(tmp_path / 's').counts.done == 4


def test_a_study_that_runs_is_not_changed(small_study, tmp_path):
    study = small_study(shots=[1])
    begin(start_study(study, tmp_path / 's', probe=False))
    other = start_study(small_study(shots=[1, 2]), tmp_path / 's', probe=False)
    with claim(study.runs()[0].folder(tmp_path / 's')):
        with pytest.raises(ConfigError, match='being worked on'):
            begin(other)
        begin(start_study(study, tmp_path / 's', probe=False))  # the same one may
    begin(other)


def test_another_study_in_its_folder_is_refused(small_study, small_config, tmp_path):
    begin(start_study(small_study(shots=[1]), tmp_path / 's', probe=False))
    other = small_study(methods={'a': {}, 'b': {}})
    with pytest.raises(ConfigError, match=r'holds another study, of other methods \(CITE'):
        start_study(other, tmp_path / 's', probe=False)


def test_predictions_that_were_cut_off_are_made_again(small_study, tmp_path):
    study = small_study(shots=[1], split_seeds=1, methods={'CITE': {}})
    run_study(start_study(study, tmp_path / 's', probe=False), INLINE)
    path = study.runs()[0].folder(tmp_path / 's') / 'predictions.parquet'
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    started = start_study(study, tmp_path / 's', probe=False)
    assert started.plan.pending == study.runs()[:1]
    run_study(started, INLINE)
    assert path.read_bytes() == whole


def test_workers_find_configs_and_data_from_anywhere(small_study, tmp_path, monkeypatch):
    config = Path(small_study().methods[0].config)
    monkeypatch.chdir(config.parent)
    study = small_study(base=config.name, shots=[1], split_seeds=1)
    begin(start_study(study, tmp_path / 's', probe=False))
    monkeypatch.chdir(tmp_path)
    assert execute(str(tmp_path / 's'), str(study.runs()[0])) == DONE


def test_a_data_set_with_a_root_of_its_own(small_study, small_data, tmp_path, monkeypatch):
    """Predictions name patches alike, whoever made them and wherever their root is said."""
    monkeypatch.chdir(small_data.parent)
    own = dict.fromkeys(
        ('train_dataloader.dataset.data_root', 'test_dataloader.dataset.data_root'), small_data.name
    )
    study = small_study(
        shots=[1], split_seeds=1, methods={'CITE': {}}, options={**own, 'data_root': 'elsewhere'}
    )
    started = start_study(study, tmp_path / 's', probe=False)
    run_study(started, INLINE)
    model, baseline = (read_result(tmp_path / 's', key) for key in study.runs())
    assert sorted(model.predictions.files) == sorted(baseline.predictions.files)
    assert all(Path(file).is_absolute() for file in model.predictions.files)


def test_the_same_study_may_start_twice(small_study, tmp_path):
    """Tuples that come back from study.json as lists are no other description."""
    choose = {'model.head.temperature': (1.0, 2.0)}
    study = small_study(shots=[1], methods={'CITE': {'choose': choose}})
    begin(started := start_study(study, tmp_path / 's', probe=False))
    with claim(study.runs()[0].folder(tmp_path / 's')):
        begin(started)


@pytest.mark.slow
def test_killed_and_begun_again(small_study, tmp_path):
    """The second command does what is left, and the results are those of a study that was not killed."""
    study = small_study(shots=[1], split_seeds=3)
    whole = tmp_path / 'whole'
    run_study(start_study(study, whole, probe=False), INLINE)

    folder = tmp_path / 'killed'
    begin(start_study(study, folder, probe=False))
    command = [sys.executable, '-m', 'cite', 'fewshot', str(folder), '--no-probe', '--workers', '2']
    process = subprocess.Popen(command, cwd=REPO)
    deadline = time.monotonic() + 240
    while states(study, folder).count(DONE) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = states(study, folder).count(DONE)
    assert 2 <= done < len(study.runs())
    subprocess.run(command, cwd=REPO, check=True, timeout=400)
    assert states(study, folder) == [DONE] * len(study.runs())
    for key in study.runs():
        one, two = (key.folder(place) / 'results.json' for place in (whole, folder))
        if one.is_file():  # baselines write predictions alone
            first, second = (json.loads(path.read_text()) for path in (one, two))
            assert first['patch'] == second['patch'] and first['slide'] == second['slide']
