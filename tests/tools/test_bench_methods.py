from __future__ import annotations

import csv
import importlib.util
import sys

import numpy as np
import pytest
from PIL import Image
from repo import REPO

PATH = REPO / 'tools' / 'bench' / 'methods.py'


@pytest.fixture
def bench(monkeypatch):
    spec = importlib.util.spec_from_file_location('bench_methods', PATH)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'bench_methods', module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path):
    """Three classes of colours in the layout of LC25000 lung."""
    rng = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(('lung_aca', 'lung_n', 'lung_scc')):
        for group in range(6):
            for copy in range(2):
                pixels = rng.integers(0, 120, (64, 64, 3), dtype=np.uint8)
                pixels[..., label] += 100
                file = f'{name}_{group}_{copy}.png'
                Image.fromarray(pixels).save(tmp_path / file)
                split = 'train' if group < 4 else 'val'
                rows.append((file, name, f'{name}_{group}', split))
    with (tmp_path / 'manifest.csv').open('w', newline='') as file:
        csv.writer(file).writerows([('file', 'label', 'tile_group', 'split'), *rows])
    return tmp_path


def run(bench, monkeypatch, capsys, data, *only):
    options = [
        '--image-size',
        '32',
        '--shots',
        '1',
        '2',
        '--seeds',
        '2',
        '--steps',
        '2',
        '--budget',
        '2',
    ]
    arguments = ['--data', str(data), '--out', str(data / 'out'), *options, '--only', *only]
    monkeypatch.setattr(sys, 'argv', [str(PATH), *arguments])
    bench.main()
    return capsys.readouterr().out


def test_a_row_per_method_and_reasons_for_the_others(bench, data, monkeypatch, capsys):
    only = ('linear probe', 'CITE', 'KNNHead', 'CoOpHead', 'LoRA', 'BitFit')
    out = run(bench, monkeypatch, capsys, data, *only)
    rows = {line.split(' | ')[0].strip('| '): line for line in out.splitlines() if ' ± ' in line}
    assert set(rows) == {'colour histogram', *only}
    assert '1.000 ± 0.000' in rows['colour histogram']
    assert ' 579 ' in rows['linear probe']
    stored = sorted(path.name for path in (data / 'out').glob('*.json'))
    assert len(stored) == len(only) * 2 * 2
    before = {name: (data / 'out' / name).stat().st_mtime_ns for name in stored}
    again = run(bench, monkeypatch, capsys, data, *only)
    assert {name: (data / 'out' / name).stat().st_mtime_ns for name in stored} == before
    assert [r for r in again.splitlines() if 'LoRA' in r] == [rows['LoRA']]


def test_every_method_of_the_library_is_in_it(bench):
    from cite.heads import HEADS
    from cite.tuning import TUNINGS

    class Args:
        text = 'tiny-tissue'

    made = list(bench.methods(Args))
    tunings = {m.tuning['type'] for m in made if isinstance(m.tuning, dict)}
    assert tunings == set(TUNINGS.names()) - set(bench.ELSEWHERE)
    heads = {name for name in HEADS.names() if not name.startswith('Half')}
    assert {m.head['type'] for m in made} == heads
