from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.evaluation.predictions import Predictions


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A tested run whose files are relative to the folder that it was tested in, which is this one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data').mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = np.array([200 - 10 * (i // 3), 110, 180]) + rng.normal(0, 5, (40, 40, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / 'data' / f'{i}.png')
    predictions = Predictions(
        files=[f'data/{i}.png' for i in range(12)],
        labels=np.arange(12) % 3,
        probabilities=rng.dirichlet(np.ones(3), 12),
        slides=[f's{i}' for i in range(12)],
        classes=('well', 'moderate', 'poor'),
    )
    predictions.to_parquet(tmp_path / 'run' / 'predictions.parquet')
    return tmp_path / 'run'


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_prints_the_groups_and_writes_tables_and_picture(run_dir, tmp_path, capsys):
    assert main(['report', str(run_dir), '--by', 'stain', '--groups', '4']) == 0
    shown = capsys.readouterr().out
    assert '\nD' in shown and '\nE' not in shown and 'slide BA' in shown
    assert f'picture: {run_dir / "stain_groups.png"}' in shown
    files = ['stain_groups.csv', 'stain_groups.png', 'stain_slides.csv']
    assert names(run_dir) == ['predictions.parquet', *files]
    out = tmp_path / 'elsewhere' / 'by_stain.png'
    assert main(['report', str(run_dir), '--by', 'stain', '--out', str(out)]) == 0
    assert '\nC' in capsys.readouterr().out
    assert names(out.parent) == ['by_stain.png', 'stain_groups.csv', 'stain_slides.csv']


def test_bad_input_is_one_line(run_dir, capsys, monkeypatch, tmp_path):
    def error(*words):
        assert main(['report', str(run_dir), *words]) == 2
        err = capsys.readouterr().err
        assert err.startswith('cite report: error: ') and err.count('\n') == 1
        return err

    assert '--groups goes with --by stain' in error('--groups', '2')
    assert 'ask for 1 to 12 groups' in error('--by', 'stain', '--groups', '13')
    (tmp_path / 'other').mkdir()
    monkeypatch.chdir(tmp_path / 'other')
    assert 'Relative names start in the folder' in error('--by', 'stain')
    (run_dir / 'predictions.parquet').unlink()
    assert 'predictions.parquet: no such file' in error('--by', 'stain')
    assert names(run_dir) == []
    with pytest.raises(SystemExit) as caught:
        main(['report', str(run_dir), '--by', 'laboratory'])
    assert caught.value.code == 2 and 'choose from' in capsys.readouterr().err
