from __future__ import annotations

import json
from pathlib import Path

import pytest
import small_adapter
from known_slide import pattern, write_slide
from without_pictures import leave_out_pictures

from cite.cli import main


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A slide, an adapter that does not say its resolution, and no pictures, which are slow."""
    monkeypatch.chdir(tmp_path)
    leave_out_pictures(monkeypatch)
    small_adapter.write(tmp_path)
    return write_slide(tmp_path / 'one.tif', pattern(5, 6))


ASK = ('--adapter', 'adapter.safetensors', '--mpp', '0.5', '--tile-size', '64', '--workers', '0')
OUT = Path('work_dirs') / 'slides'


def slide(*arguments, ask=ASK):
    return main(['slide', *map(str, arguments), *ask])


def test_a_slide_gets_a_folder_and_a_line(drawn, tmp_path, capsys):
    assert slide(drawn, '--class', 'poorly', '--aggregation', 'median') == 0
    shown = capsys.readouterr().out
    said = json.loads((OUT / 'one' / 'summary.json').read_text('utf-8'))
    assert said['record']['aggregation'] == 'median' and said['seconds'] > 0
    assert 'heatmap_poorly.tif' in said['files'] and 'heatmap_well.tif' not in said['files']
    assert (OUT / 'slides.csv').exists()
    assert said['label'] in shown and f'1 of 1 slides in {OUT}' in shown
    assert slide(drawn, '--class', 'poorly', '--aggregation', 'median') == 0
    assert 'kept' in capsys.readouterr().out


def test_some_failed_is_one_and_all_failed_is_two(drawn, tmp_path, capsys):
    bad = tmp_path / 'bad.svs'
    bad.write_bytes(b'no slide')
    assert slide(drawn, bad, '--out', 'some') == 1
    shown = capsys.readouterr().out
    assert 'bad: slide' in shown and '1 of 2 slides' in shown
    assert slide(bad, '--out', 'none') == 2


@pytest.mark.parametrize(
    ('arguments', 'ask', 'message'),
    [
        (('none.svs',), ASK, 'none.svs: no such file'),
        (('one.tif',), ASK[:2], '--mpp'),
        (('one.tif', '--class', 'x'), ASK, 'the adapter knows well, moderately, poorly'),
        (('one.tif', '--shard', '3/2'), ASK, 'shard'),
        (('one.tif', '--overlap', '64'), ASK, 'overlap'),
        (('one.tif', '--slide-mpp', '99'), ASK, '--slide-mpp must be'),
        (('one.tif', '--out', 'one.tif'), ASK, 'one.tif: cannot be written'),
        (('one.tif',), ('--adapter', 'gone.safetensors'), 'gone.safetensors'),
    ],
)
def test_bad_arguments_end_in_one_line(drawn, capsys, arguments, ask, message):
    assert slide(*arguments, ask=ask) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('cite slide: error:') and message in said


def test_shards_come_from_the_launcher(drawn, tmp_path, capsys, monkeypatch):
    write_slide(tmp_path / 'two.tif', pattern(5, 6, 1))
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '3')
    assert slide('one.tif', 'two.tif') == 0
    assert (OUT / 'two').exists()
    assert not (OUT / 'one').exists()
    monkeypatch.setenv('RANK', '2')
    assert slide('one.tif', 'two.tif') == 0
    assert 'nothing to do' in capsys.readouterr().out
