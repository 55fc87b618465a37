"""`cite fewshot` from the command line; what it does is tested in tests/studies."""

from __future__ import annotations

import pytest
from drawn_study import draw_study
from tiny_runs import write_tiny_config, write_tiny_data

from cite.cli import main
from cite.cli.fewshot import changes_of, executor_options
from cite.cli.parsing import Parser


def parsed(*words):
    from cite.cli import fewshot

    parser = Parser()
    fewshot.add_arguments(parser)
    return parser.parse_args(words)


def one_error(capsys) -> str:
    out, err = capsys.readouterr()
    assert err.startswith('cite fewshot: error: ') and err.count('\n') == 1, err
    assert 'Traceback' not in out
    return err


@pytest.fixture
def study_file(tmp_path):
    data = write_tiny_data(tmp_path / 'data', 4, 2, 2)
    config = write_tiny_config(tmp_path / 'tiny.py', data)
    file = tmp_path / 'small.yaml'
    file.write_text(f'base: {config}\nshots: [1]\nsplit_seeds: 2\nstain_groups: 0\n')
    return file


def test_plan_run_status_report(study_file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ['fewshot', str(study_file), '--executor-options', 'inline=True', '--no-probe']
    assert main([*run, '--plan']) == 0
    assert '4 runs to do' in capsys.readouterr().out
    assert main(run) == 0
    said = capsys.readouterr().out
    folder = tmp_path / 'work_dirs/studies/small'
    assert 'report.html' in said and (folder / 'report.html').is_file()
    assert main(['fewshot', str(folder), '--status']) == 0
    assert '4 of 4 done' in capsys.readouterr().out
    first = (folder / 'table.csv').read_bytes()
    assert main(['fewshot', str(folder), '--report']) == main(['report', str(folder)]) == 0
    assert (folder / 'table.csv').read_bytes() == first


def test_a_grid_by_flags():
    args = parsed(
        '--base', 'x', '--backbone', 'a', 'b', '--text-encoder', 'c', '--shots', '1', 'all'
    )
    assert changes_of(args) == {
        'base': 'x',
        'shots': ['1', 'all'],
        'grid': {'backbone': ['a', 'b'], 'text_encoder': ['c']},
        'methods': {},
    }
    args = parsed('s', '--budget', '3', '--folds', '2', '--seeds', '4', '--split-seeds', '5')
    assert changes_of(args) == {
        'choosing': {'budget': 3, 'folds': 2},
        'seeds': 4,
        'split_seeds': 5,
    }


def test_options_of_the_executor():
    args = parsed('s', '--workers', '2', '--executor-options', 'runs_per_gpu=3', 'gpus=[0,1]')
    assert executor_options(args) == {'workers': 2, 'runs_per_gpu': 3, 'gpus': [0, 1]}


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'name a study, or a grid'),
        (['no_such_study'], 'no such file'),
        (['studies/lc25000_lun'], 'Did you mean studies/lc25000_lung'),
        (['studies/quickstart', '--shots', 'few'], 'shots must be whole numbers'),
        (['studies/quickstart', '--budget', '9'], 'budget must be 1 to 6'),
        (['studies/quickstart', '--status', '--out', 'nowhere'], 'no such file'),
        (['studies/quickstart', '--report', '--out', 'nowhere'], 'no such file'),
    ],
)
def test_mistakes_are_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['fewshot', *words]) == 2
    assert message in one_error(capsys)


def test_a_begun_study_is_not_changed_by_flags(tmp_path, capsys):
    draw_study(tmp_path / 's', {'a': 0.5}, ('1',), 1, 4)
    assert main(['fewshot', str(tmp_path / 's'), '--shots', '4']) == 2
    assert 'goes on as it is' in one_error(capsys)


def test_an_executor_that_takes_no_such_option(study_file, tmp_path, capsys):
    words = ['fewshot', str(study_file), '--out', str(tmp_path / 'o'), '--no-probe']
    assert main([*words, '--executor-options', 'nodes=3']) == 2
    assert 'nodes' in one_error(capsys)
