from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cite.errors import DataError
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.experiments.report import DPI, SIZE, draw_into, draw_report

LONG = (
    'well differentiated tubular adenocarcinoma',
    'moderately differentiated $tubular$ adenocarcinoma',
    'poorly differentiated adenocarcinoma',
)
LOG = [
    {'loss': 1.0, 'iter': 10, 'step': 10},
    {'loss': float('nan'), 'iter': 20, 'step': 20},
    {'loss': 0.5, 'iter': 30, 'step': 30},
    {'patch/balanced_accuracy': 0.5, 'slide/balanced_accuracy': 0.6, 'step': 30},
]


def fake(classes=LONG, n=30) -> tuple[dict, Predictions]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % len(classes)
    predictions = Predictions(
        files=[f'{i}.png' for i in range(n)],
        labels=labels,
        probabilities=rng.dirichlet(np.ones(len(classes)), n),
        slides=[f'{label}' for label in labels],
        classes=classes,
    )
    texts = {'title': 'A title with a $ sign', 'subtitle': 'vision tower · text encoder'}
    return evaluate(predictions) | texts, predictions


def figure_of(classes=LONG, log=LOG, data_root=None, **texts) -> Figure:
    figure = Figure(figsize=SIZE, dpi=DPI)
    FigureCanvasAgg(figure)
    results, predictions = fake(classes)
    draw_into(figure, results | texts, predictions, log, data_root)
    figure.canvas.draw()
    return figure


def texts_of(figure) -> list[Text]:
    found = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in found if text.get_text().strip()]


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    results, predictions = fake()
    (folder / 'results.json').write_text(json.dumps(results))
    predictions.to_parquet(folder / 'predictions.parquet')
    return folder


def test_report_is_one_png_of_the_promised_size(run_dir, tmp_path):
    for index in range(30):
        Image.new('RGB', (32, 24), (200, 100, 150)).save(tmp_path / f'{index}.png')
    before = sorted(run_dir.iterdir())
    path = draw_report(run_dir, data_root=tmp_path)
    assert path == run_dir / 'report.png'
    assert sorted(run_dir.iterdir()) == sorted([*before, path])  # no temporary file
    with Image.open(path) as image:
        assert image.size == (1800, 1200)
        pixels = np.asarray(image.convert('RGB')).reshape(-1, 3)
    # the patches themselves are in the picture
    assert (np.abs(pixels.astype(int) - (200, 100, 150)).max(1) <= 2).mean() > 0.05


@pytest.fixture(scope='module')
def figure():
    return figure_of()


def boxes_of(figure):
    """Text and extent of every upright text that is drawn."""
    unseen = set()
    for ax in figure.findobj(Axes):
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            for tick in axis.get_major_ticks():  # axes keep tick labels beyond their limits
                if not min(limits) <= tick.get_loc() <= max(limits):
                    unseen |= {tick.label1, tick.label2}
    texts = [text for text in texts_of(figure) if text.get_rotation() == 0 and text not in unseen]
    return [(text.get_text(), text.get_window_extent()) for text in texts]


@pytest.mark.parametrize('classes', [LONG, ('x' * 60, *(f'type {i}' for i in range(8)))])
def test_texts_stay_inside_and_do_not_overlap(classes, figure):
    if classes != LONG:
        figure = figure_of(classes, title='A very long title ' * 20, subtitle='encoders ' * 60)
    boxes = boxes_of(figure)
    assert len(boxes) > 60
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= SIZE[0] * DPI, text
        assert box.y0 >= 0 and box.y1 <= SIZE[1] * DPI, text
    for (text, box), (other_text, other) in itertools.combinations(boxes, 2):
        across = min(box.x1, other.x1) - max(box.x0, other.x0)
        along = min(box.y1, other.y1) - max(box.y0, other.y0)
        assert across <= 1 or along <= 1, (text, other_text)


def test_baselines_have_a_line_that_overlaps_none():
    results, _ = fake()
    baselines = {
        'colour': {**results, 'title': 'colour histogram $+$ logistic regression'},
        'majority': {**results, 'title': 'majority class'},
    }
    boxes = boxes_of(figure_of(baselines=baselines))
    patch, slide = (f'{results[level]["balanced_accuracy"]:.3f}' for level in ('patch', 'slide'))
    (line,) = [box for text, box in boxes if 'majority class' in text]
    assert any(f'colour histogram $+$ logistic regression {patch} / {slide}' in t for t, _ in boxes)
    for text, box in boxes:
        same = box.bounds == line.bounds
        assert same or min(box.y1, line.y1) - max(box.y0, line.y0) <= 1, text


def test_curves_and_captions_show_the_run(figure):
    curves = {
        line.get_label(): line.get_xydata().tolist()
        for ax in figure.findobj(Axes)
        for line in ax.get_lines()
    }
    assert curves == {
        'loss': [[10, 1.0], [30, 0.5]],  # NaN is left out
        'validation, patch': [[30, 0.5]],
        'validation, slide': [[30, 0.6]],
    }
    shown = ' '.join(text.get_text() for text in texts_of(figure)).replace('\n', ' ')
    assert '✓' in shown and '✗' in shown
    assert 'moderately: moderately differentiated $tubular$ adenocarcinoma' in shown
    assert 'A title with a $ sign' in shown
    assert 'vision tower · text encoder' in shown


def test_missing_log_and_images_are_said_in_the_picture(tmp_path):
    Image.new('RGB', (8, 8)).save(tmp_path / '0.png')
    (tmp_path / '1.png').write_text('not an image')
    shown = [text.get_text() for text in texts_of(figure_of(log=[], data_root=tmp_path))]
    assert any('No training log' in text for text in shown)
    note = next(text for text in shown if 'image files could be read' in text)
    assert shown.count('no image') == 24 - int(note.split()[0]) >= 22


def test_out_may_be_elsewhere_and_a_failed_write_leaves_nothing(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr('cite.experiments.report.draw_into', lambda *arguments: None)
    out = tmp_path / 'new' / 'folder' / 'figure.png'
    assert draw_report(run_dir, out) == out
    before = out.read_bytes()

    def fail(self, where, **options):
        where.write_bytes(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(Figure, 'savefig', fail)
    with pytest.raises(OSError, match='disk full'):
        draw_report(run_dir, out)
    assert list(out.parent.iterdir()) == [out]
    assert out.read_bytes() == before


def test_damaged_or_mixed_runs_are_refused(run_dir):
    results = json.loads((run_dir / 'results.json').read_text())
    results['patch']['n'] = 7
    (run_dir / 'results.json').write_text(json.dumps(results))
    with pytest.raises(DataError, match='about 7 patches'):
        draw_report(run_dir)
    (run_dir / 'results.json').write_text('{')
    with pytest.raises(DataError, match='not valid JSON'):
        draw_report(run_dir)
    (run_dir / 'results.json').unlink()
    with pytest.raises(DataError, match='no such file'):
        draw_report(run_dir)
