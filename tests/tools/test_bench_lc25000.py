"""The LC25000 benchmark, on a handful of coloured squares in LC25000's form."""

from __future__ import annotations

import runpy
import sys

import numpy as np
import pytest
from PIL import Image
from repo import REPO

BENCH = str(REPO / 'tools' / 'bench' / 'lc25000.py')


@pytest.fixture
def lung(tmp_path):
    rng = np.random.default_rng(0)
    rows = ['file,label,tile_group,stain_cluster,split,sha256']
    for k, label in enumerate(('lung_aca', 'lung_n', 'lung_scc')):
        (tmp_path / label).mkdir()
        for i in range(6):
            pixels = rng.integers(0, 60, (32, 32, 3)) + 60 * k
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / label / f'{label}{i}.jpeg')
            split = 'train' if i < 4 else 'val'
            rows.append(f'{label}/{label}{i}.jpeg,{label},g{i},{label}_{i // 2},{split},-')
    (tmp_path / 'manifest.csv').write_text('\n'.join(rows) + '\n')
    return tmp_path


@pytest.mark.slow
def test_prints_a_row_per_method(lung, tmp_path, monkeypatch, capsys):
    arguments = ['--data', lung, '--vision', 'random-vit-tiny', '--text', 'random-bert-tiny']
    arguments += ['--iterations', 2, '--out', tmp_path / 'runs']
    monkeypatch.setattr(sys, 'argv', [BENCH, *map(str, arguments)])
    runpy.run_path(BENCH, run_name='__main__')
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    assert [row.split('|')[1].strip().split(' ')[0] for row in rows[2:]] == [
        'colour',
        'linear',
        'text_only',
        'cite',
    ]
    # colour gives these classes away
    assert rows[2].split('|')[2].strip() == '1.000'
    assert '579' in rows[3]
