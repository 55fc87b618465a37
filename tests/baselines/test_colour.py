from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cite.baselines.colour import histograms, probabilities
from cite.baselines.run import run_baseline
from cite.errors import DataError


def test_every_pixel_is_counted_in_its_bin(squares):
    table = squares('train', [1, 1, 0])
    found = histograms(table)
    assert found.shape == (4, 48)
    for row, histogram in enumerate(found):
        pixels = np.asarray(Image.open(table.path(row))).reshape(-1, 3)
        wanted = [np.histogram(pixels[:, c], 16, (0, 256))[0] for c in range(3)]
        np.testing.assert_allclose(histogram, np.concatenate(wanted) / len(pixels))


def test_colour_gives_coloured_squares_away(squares):
    train, test = squares('train', [4, 4, 4]), squares('test', [3, 3, 3])
    found = run_baseline('colour', train, test)
    assert found.predicted.tolist() == test.labels.tolist()


def test_rare_classes_weigh_as_much_as_others(squares):
    """Of patches that colour says nothing about, the rare class is as probable as the frequent one."""
    train = squares('train', [6, 1, 0])
    for file in train.files:
        Image.new('RGB', (4, 4)).save(train.root / str(file))
    found = run_baseline('colour', train, train)
    np.testing.assert_allclose(found.probabilities, np.tile([0.5, 0.5, 0], (14, 1)), atol=1e-4)


def test_a_class_that_is_not_trained_is_never_predicted(squares):
    found = run_baseline('colour', squares('train', [2, 0, 2]), squares('test', [1, 1, 1]))
    assert (found.probabilities[:, 1] == 0).all()
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-6)
    assert found.predicted[4:].tolist() == [2, 2]


def test_the_fit_depends_on_no_order_and_no_number_of_threads(squares, monkeypatch):
    train, test = squares('train', [20, 20, 20]), squares('test', [2, 2, 2])
    rng = np.random.default_rng(0)
    for file in train.files:  # hard to tell apart, so that the fit has digits to differ in
        pixels = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(train.root / str(file))
    once = probabilities(train, test, False)
    monkeypatch.setattr('cite.baselines.colour.MAX_THREADS', 1)
    again = probabilities(train.subset(rng.permutation(120)), test, False)
    assert once.tobytes() == again.tobytes()


def test_training_patches_of_one_class_are_refused(squares):
    with pytest.raises(DataError, match=r'train: .*two classes or more, found only green'):
        run_baseline('colour', squares('train', [0, 3, 0]), squares('test', [1, 1, 1]))


def test_the_first_damaged_image_is_named(squares):
    train, test = squares('train', [2, 2, 2]), squares('test', [2, 2, 2])
    for row in (7, 5):
        test.path(row).write_bytes(b'no image')
    with pytest.raises(DataError, match=r'test/1_1\.png: cannot be read as an image'):
        run_baseline('colour', train, test)
