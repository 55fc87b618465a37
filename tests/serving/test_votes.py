from __future__ import annotations

import csv

import numpy as np
import pytest

from cite.errors import DataError
from cite.serving.votes import Prediction

CLASSES = ('well', 'moderately, or so', 'poorly "solid"')


def dirichlet(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(3), count).astype(np.float32)


def test_labels_are_the_most_probable_classes_in_order():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.0, 0.1, 0.9]], np.float32)
    found = Prediction(['c.png', 'a.png', 'b.png'], scores, CLASSES)
    assert found.names == ['c.png', 'a.png', 'b.png']
    assert found.labels == [CLASSES[1], CLASSES[0], CLASSES[2]]
    assert len(found) == 3


def test_a_slide_votes_by_the_mean_of_its_patches():
    scores = dirichlet(6)
    names = ['d/b_1.jpg', 'd/a_1.jpg', 'd/b_2_x.jpg', 'lonely.jpg', 'd/b_3.jpg', 'd/a_2.jpg']
    found = Prediction(names, scores, CLASSES)
    assert found.slides == ['b', 'a', 'b', '', 'b', 'a']
    assert list(found.votes) == ['b', 'a']
    np.testing.assert_allclose(found.votes['b'], scores[[0, 2, 4]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.votes['a'], scores[[1, 5]].mean(0), rtol=1e-6)


def test_votes_of_many_patches_are_exact():
    scores = np.full((100_000, 3), [0.1, 0.2, 0.7], np.float32)
    (vote,) = Prediction(['x'] * 100_000, scores, CLASSES, ['s'] * 100_000).votes.values()
    np.testing.assert_allclose(vote, [0.1, 0.2, 0.7], rtol=1e-6)


def test_given_slides_win_over_names():
    found = Prediction(['a_1.jpg', 'a_2.jpg'], dirichlet(2), CLASSES, ['x', 'y'])
    assert list(found.votes) == ['x', 'y']
    with pytest.raises(DataError, match='1 slides were given for 2 images'):
        Prediction(['a_1.jpg', 'a_2.jpg'], dirichlet(2), CLASSES, ['x'])


def test_csv_reads_back(tmp_path):
    scores = dirichlet(2)
    found = Prediction(['dir, with comma/a_1.jpg', 'b.jpg'], scores, CLASSES)
    path = tmp_path / 'new' / 'scores.csv'
    found.to_csv(path)
    assert [p.name for p in path.parent.iterdir()] == ['scores.csv']
    with path.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ['file', 'slide', 'label', *(f'p_{name}' for name in CLASSES)]
    assert [row['file'] for row in rows] == found.names
    assert [row['label'] for row in rows] == found.labels
    assert [row['slide'] for row in rows] == ['a', '']
    read = [[float(row[f'p_{name}']) for name in CLASSES] for row in rows]
    np.testing.assert_allclose(read, scores, atol=1e-6)


def test_text_shows_patches_and_slides():
    scores = np.array([[0.25, 0.75, 0], [0.5, 0.25, 0.25]], np.float32)
    lines = str(Prediction(['a_1.jpg', 'a_2.jpg'], scores, ('x', 'y', 'z'))).splitlines()
    assert lines == [
        'a_1.jpg: y (0.75)',
        'a_2.jpg: x (0.50)',
        'slide a: y (0.50, mean of 2 patches)',
    ]


def test_nothing_predicted(tmp_path):
    found = Prediction([], np.empty((0, 3), np.float32), CLASSES)
    assert (len(found), found.labels, found.votes, str(found)) == (0, [], {}, '')
    found.to_csv(tmp_path / 'none.csv')
    assert len((tmp_path / 'none.csv').read_text().splitlines()) == 1
