"""`cite baseline` up to its work, which tests/mm/test_mm_baselines.py looks at."""

from __future__ import annotations

import pytest

from cite.cli import main


@pytest.fixture
def ran(monkeypatch):
    """Config and kind that reach the work, instead of it."""
    from cite.mm import baselines

    found = []

    def run(cfg, kind):
        found.append((cfg, kind))
        level = {'n': 1, 'classes': ['a', 'b'], 'missing_classes': [], 'per_class_accuracy': {}}
        keys = ('accuracy', 'balanced_accuracy', 'macro_f1', 'auroc', 'per_class_auroc')
        level |= dict.fromkeys((*keys, 'quadratic_kappa', 'confusion'))
        return {'patch': level, 'slide': level, 'title': kind}

    monkeypatch.setattr(baselines, 'run_config', run)
    return found


def test_flags_reach_the_config(ran, tmp_path, capsys):
    options = ['--cfg-options', 'train_dataloader.dataset.ann_file=splits/train_1.csv']
    assert main(['baseline', 'majority', 'quickstart/cite', *options]) == 0
    assert capsys.readouterr().out.startswith('majority\n')
    assert main(['baseline', 'colour', 'quickstart/cite', '--work-dir', str(tmp_path)]) == 0
    (first, kind), (second, _) = ran
    assert kind == 'majority' and first.work_dir == 'work_dirs/cite_majority'
    assert first.train_dataloader.dataset.ann_file == 'splits/train_1.csv'
    assert second.work_dir == str(tmp_path)


def test_the_run_folder_of_the_config_is_left_alone(ran, tmp_path):
    config = tmp_path / 'mine.py'
    config.write_text("work_dir = 'work_dirs/precious'\n")
    assert main(['baseline', 'colour', str(config)]) == 0
    assert ran[0][0].work_dir == 'work_dirs/mine_colour'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('color quickstart/cite', "invalid choice: 'color'"),
        ('colour', 'config'),
        ('colour quickstart/cite --amp', 'unrecognized arguments: --amp'),
    ],
)
def test_bad_arguments(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(['baseline', *words.split()])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert message in err and err.count('\n') == 1


def test_data_and_configs_that_are_not_there(tmp_path, capsys):
    assert main(['baseline', 'colour', 'quickstart/cit']) == 2
    assert 'Did you mean quickstart/cite.py' in capsys.readouterr().err
    gone = ['--cfg-options', f'data_root={tmp_path}']
    run = str(tmp_path / 'run')
    assert main(['baseline', 'colour', 'quickstart/cite', '--work-dir', run, *gone]) == 2
    err = capsys.readouterr().err
    assert 'train_8.csv: no such file' in err and err.count('\n') == 1
    assert main(['baseline', 'colour', 'patchgastric/zero_shot', '--work-dir', run]) == 2
    assert 'no `train_dataloader`' in capsys.readouterr().err
