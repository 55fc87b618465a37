from __future__ import annotations

import numpy as np
import pytest

from cite.baselines.run import run_baseline
from cite.evaluation.metrics import evaluate


def test_the_class_with_most_slides_wins_whatever_is_seen(squares):
    train, test = squares('train', [1, 3, 2]), squares('test', [2, 1, 1])
    found = run_baseline('majority', train, test)
    np.testing.assert_allclose(found.probabilities, np.tile([1 / 6, 3 / 6, 2 / 6], (8, 1)))
    assert set(found.predicted) == {1}
    for level in evaluate(found).values():
        assert level['auroc'] == 0.5
        assert level['balanced_accuracy'] == pytest.approx(1 / 3)
        assert level['accuracy'] == 0.25


def test_slides_count_and_not_their_patches(squares):
    train = squares('train', [3, 2, 0])
    # the two green slides now have more patches than the three red ones
    train = train.subset([0, 2, 4, 6, 7, 8, 9])
    assert set(run_baseline('majority', train, train).predicted) == {0}


def test_the_first_of_equals_wins(squares):
    """As in every k-shot split."""
    train = squares('train', [0, 2, 2])
    assert set(run_baseline('majority', train, train).predicted) == {1}


def test_no_image_is_read(squares, tmp_path):
    train, test = squares('train', [1, 1, 1]), squares('test', [1, 1, 1])
    for file in tmp_path.rglob('*.png'):
        file.unlink()
    assert len(run_baseline('majority', train, test)) == 6
