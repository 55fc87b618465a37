"""`cite train` and `cite test` up to the runner: what they make of their arguments."""

from __future__ import annotations

import pytest

from cite.cli import build_parser, main
from cite.cli.runs import read_options, require_checkpoint
from cite.errors import CheckpointError, ConfigError


def one_error(capsys, verb: str) -> str:
    err = capsys.readouterr().err
    assert err.startswith(f'cite {verb}: error: ') and err.count('\n') == 1, err
    return err


@pytest.fixture
def runs(monkeypatch):
    """What reaches `cite.mm.launch`, instead of a run."""
    from cite.mm import launch

    found = []
    monkeypatch.setattr(launch, 'train', lambda cfg, resume: found.append((cfg, resume)))
    monkeypatch.setattr(launch, 'test', lambda cfg, checkpoint: found.append((cfg, checkpoint)))
    return found


@pytest.mark.parametrize('verb', ['train', 'test'])
def test_unknown_config_gets_a_suggestion(verb, capsys):
    assert main([verb, 'quickstart/cit']) == 2
    assert 'Did you mean quickstart/cite.py' in one_error(capsys, verb)


@pytest.mark.parametrize(
    'words', [('train', 'quickstart/cite', '--resume'), ('test', 'quickstart/cite')]
)
def test_missing_checkpoint_is_told_with_what_is_there(words, tmp_path, capsys):
    verb = words[0]
    assert main([*words, str(tmp_path / 'iter_9.pth')]) == 2
    assert f'{tmp_path} has no checkpoint' in one_error(capsys, verb)
    for name in ('iter_50.pth', 'iter_100.pth'):
        (tmp_path / name).touch()
    assert main([*words, str(tmp_path / 'iter_9.pth')]) == 2
    assert 'has iter_50.pth, iter_100.pth' in one_error(capsys, verb)
    assert main([*words, str(tmp_path)]) == 2
    assert 'is a folder' in one_error(capsys, verb)
    require_checkpoint(str(tmp_path / 'iter_50.pth'))
    with pytest.raises(CheckpointError):
        require_checkpoint(str(tmp_path))


def test_flags_reach_the_config(runs, tmp_path):
    checkpoint = tmp_path / 'iter_1.pth'
    checkpoint.touch()
    flags = ['--work-dir', str(tmp_path), '--seed', '5', '--cfg-options', 'train_cfg.max_iters=7']
    more = ['--cfg-options', 'model.backbone.model=clip-vit-b16', 'model.head.temperature=2.5']
    assert main(['train', 'quickstart/cite', *flags, *more]) == 0
    assert main(['train', 'quickstart/cite', '--resume']) == 0
    assert main(['train', 'quickstart/cite', '--resume', str(checkpoint)]) == 0
    assert main(['test', 'quickstart/cite', str(checkpoint), '--amp']) == 0
    assert main(['test', 'quickstart/cite']) == 0
    assert main(['test', 'quickstart/cite', 'none']) == 0
    cfg = runs[0][0]
    assert cfg.work_dir == str(tmp_path) and cfg.randomness.seed == 5
    assert cfg.train_cfg.max_iters == 7  # the second --cfg-options adds to the first
    assert cfg.model.backbone.model == 'clip-vit-b16' and cfg.model.head.temperature == 2.5
    assert [resume for _, resume in runs[:3]] == [False, True, str(checkpoint)]
    assert [given for _, given in runs[3:]] == [str(checkpoint), None, 'none']
    assert runs[3][0].model.precision == 'auto'


def test_values_mean_what_they_mean_to_mim():
    pairs = 'a=1', 'b=1e-3', 'c=true', 'd=None', 'e=x=y', 'f=1,2', 'g=[(1,2),(a,b)]', 'h=[0]', 'i='
    assert read_options(pairs) == {
        'a': 1,
        'b': 1e-3,
        'c': True,
        'd': None,
        'e': 'x=y',
        'f': [1, 2],
        'g': [(1, 2), ('a', 'b')],
        'h': [0],
        'i': '',
    }
    assert read_options(None) == {}
    with pytest.raises(ConfigError, match='--cfg-options: Imbalanced brackets'):
        read_options(['a=[1,(2]'])
    with pytest.raises(ConfigError, match=r'--cfg-options takes no dict'):
        read_options(["model.backbone.tuning=dict(type='LoRA',r=4)"])


def test_options_that_do_not_fit_take_one_line(tmp_path, capsys):
    broken = tmp_path / 'broken.py'
    broken.write_text('model = dict(\n')
    assert main(['train', str(broken)]) == 2
    assert 'broken.py cannot be read' in one_error(capsys, 'train')
    assert main(['train', 'quickstart/cite', '--cfg-options', 'a=[1,(2]']) == 2
    assert 'Imbalanced brackets' in one_error(capsys, 'train')
    (tmp_path / 'file').touch()
    below = str(tmp_path / 'file' / 'run')
    assert main(['train', 'quickstart/cite', '--work-dir', below]) == 2
    assert f'work_dir {below} cannot be written' in one_error(capsys, 'train')
    unknown = 'model.backbone.model=clip-vit-b17'
    assert main(['train', 'quickstart/cite', '--cfg-options', unknown]) == 2
    assert 'did you mean clip-vit-b16' in one_error(capsys, 'train')


def test_resume_comes_with_and_without_a_file():
    parse = build_parser().parse_args
    assert parse(['train', 'x']).resume is False
    assert parse(['train', 'x', '--resume']).resume is True
    assert parse(['train', 'x', '--resume', 'y.pth']).resume == 'y.pth'
