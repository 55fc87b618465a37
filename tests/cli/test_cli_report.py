from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions


@pytest.fixture
def run_dir(tmp_path):
    labels = np.arange(9) % 3
    predictions = Predictions(
        files=[f'{i}.png' for i in range(9)],
        labels=labels,
        probabilities=np.random.default_rng(0).dirichlet(np.ones(3), 9),
        slides=[str(label) for label in labels],
        classes=('well', 'moderately', 'poorly'),
    )
    folder = tmp_path / 'run'
    folder.mkdir()
    (folder / 'results.json').write_text(json.dumps(evaluate(predictions)))
    predictions.to_parquet(folder / 'predictions.parquet')
    return folder


def one_error(capsys) -> str:
    out, err = capsys.readouterr()
    assert err.startswith('cite report: error: ') and err.count('\n') == 1, err
    assert 'Traceback' not in out
    return err


def test_prints_the_table_and_draws_the_picture(run_dir, tmp_path, capsys):
    assert main(['report', str(run_dir)]) == 0
    shown = capsys.readouterr().out
    assert 'patch (n=9)' in shown and 'slide (n=3)' in shown and 'accuracy, poorly' in shown
    assert f'picture: {run_dir / "report.png"}' in shown
    out = tmp_path / 'other' / 'figure.png'
    assert main(['report', str(run_dir), '--out', str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (1800, 1200)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no such file'),
        ('{"patch": ', 'not valid JSON'),
        ('', 'not valid JSON'),
        ('[1, 2]', 'found list'),
        ('{}', 'lack'),
        ('{"patch": 3}', 'lack'),
        (b'\xff\xfe\x00', 'results.json'),
    ],
)
def test_damaged_results(run_dir, capsys, content, message):
    path = run_dir / 'results.json'
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    assert main(['report', str(run_dir)]) == 2
    assert message in one_error(capsys)
    assert not (run_dir / 'report.png').exists()


def test_wrong_folders_and_missing_predictions(run_dir, tmp_path, capsys):
    assert main(['report', str(tmp_path / 'gone')]) == 2
    assert 'cite test' in one_error(capsys)
    assert main(['report', str(run_dir / 'results.json')]) == 2
    one_error(capsys)
    (run_dir / 'predictions.parquet').write_bytes(b'PAR1 no more')
    assert main(['report', str(run_dir)]) == 2
    assert 'predictions.parquet' in one_error(capsys)
    (run_dir / 'predictions.parquet').unlink()
    assert main(['report', str(run_dir)]) == 2
    assert 'predictions.parquet: no such file' in one_error(capsys)


def test_picture_that_cannot_be_written(run_dir, capsys):
    out = run_dir / 'results.json' / 'x.png'
    assert main(['report', str(run_dir), '--out', str(out)]) == 2
    assert str(run_dir / 'results.json') in one_error(capsys)
