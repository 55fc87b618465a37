"""`cite prepare synthetic`: every layout, what it says at the end, and options that do not fit."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from drawn_sets import contents
from PIL import Image

from cite.cli import main
from cite.cli.prepare.synthetic import LAYOUTS, POPULATIONS
from cite.data import read_pairs_csv
from cite.data.synthetic.populations import Population

FEW = ('--slides-per-class', '1')


def draw(root, *options):
    return main(['prepare', 'synthetic', str(root), *FEW, *options])


def test_choices_are_those_of_the_library():
    assert get_args(Population) == POPULATIONS


@pytest.mark.parametrize('layout', LAYOUTS)
def test_every_layout_is_drawn_and_counted(layout, tmp_path, capsys):
    size = ['--side', '256'] if layout == 'slides' else ['--patches-per-slide', '2']
    assert draw(tmp_path / 'set', '--layout', layout, *size, '--population', 'unseen') == 0
    patches = '' if layout == 'slides' else ', 6 patches'
    assert capsys.readouterr().out == f'synthetic tissue in {tmp_path / "set"}: 3 slides{patches}\n'
    about = json.loads((tmp_path / 'set' / 'dataset.json').read_text(encoding='utf-8'))
    assert (about['layout'], about['population']) == (layout, 'unseen')


def test_pairs_are_pairs(tmp_path):
    assert draw(tmp_path / 'set', '--layout', 'pairs', '--patches-per-slide', '1') == 0
    table = read_pairs_csv(tmp_path / 'set' / 'pairs.csv')
    assert len(table) == 3
    with Image.open(table.path(0)) as image:
        assert image.size == (300, 300)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--side', '512'), '--side does not go with --layout patchgastric'),
        (('--layout', 'pairs', '--side', '512'), '--side does not go with --layout pairs'),
        (
            ('--layout', 'slides', '--patches-per-slide', '4'),
            '--patches-per-slide does not go with --layout slides',
        ),
        (('--layout', 'slides', '--side', '100'), 'side must be a whole number from 256, got 100'),
        (('--layout', 'slides', '--side', '99999'), 'side must be at most'),
    ],
)
def test_options_that_do_not_fit(options, message, tmp_path, capsys):
    assert draw(tmp_path / 'set', *options) == 2
    err = capsys.readouterr().err
    assert err.startswith('cite prepare: error: ') and err.count('\n') == 1
    assert message in err
    assert not (tmp_path / 'set').exists()


@pytest.mark.parametrize('options', [('--layout', 'scans'), ('--population', 'both')])
def test_choices_that_there_are_not(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        draw(tmp_path / 'set', *options)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert options[1] in err and err.count('\n') == 1


@pytest.mark.parametrize('change', [('--layout', 'pairs'), ('--population', 'seen')])
def test_another_set_overwrites_none(change, tmp_path, capsys):
    assert draw(tmp_path / 'set', '--patches-per-slide', '1') == 0
    before = contents(tmp_path / 'set')
    assert draw(tmp_path / 'set', '--patches-per-slide', '1', *change) == 2
    assert 'nothing was written' in capsys.readouterr().err
    assert contents(tmp_path / 'set') == before
