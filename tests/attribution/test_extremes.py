from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from cite.attribution import extremes, top_patches
from cite.errors import DataError
from cite.serving.votes import Prediction


@given(
    scores=arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
        elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, float('nan')]),
    ),
    k=st.integers(1, 12),
)
def test_top_and_bottom_are_ordered_disjoint_and_extreme(scores, k):
    for column, found in zip(scores.T, extremes(scores, k), strict=True):
        known = int((~np.isnan(column)).sum())
        chosen = [*found.top, *found.bottom]
        assert len(set(chosen)) == len(chosen) == min(known, 2 * k)
        assert len(found.top) >= len(found.bottom) >= len(found.top) - 1
        top, bottom = column[found.top], column[found.bottom]
        assert (np.diff(top) <= 0).all() and (np.diff(bottom) >= 0).all()
        rest = np.delete(column, chosen)
        rest = rest[~np.isnan(rest)]
        if len(top):
            assert not (rest > top[-1]).any()
        if len(bottom):
            assert not (rest < bottom[-1]).any()


def test_of_equal_scores_the_first_comes_first():
    (found,) = extremes(np.full((5, 1), 0.5), 2)
    assert found.top.tolist() == [0, 1] and found.bottom.tolist() == [2, 3]


def files(folder, count):
    paths = [folder / f'{n}.png' for n in range(count)]
    for n, path in enumerate(paths):
        Image.new('RGB', (20, 20), (10 * n, 0, 0)).save(path)
    return [str(path) for path in paths]


def test_a_sheet_has_two_rows_per_class_and_is_the_same_every_time(tmp_path):
    scores = np.random.default_rng(0).random((6, 2)).astype(np.float32)
    prediction = Prediction(files(tmp_path, 6), scores, ('a', 'b'))
    one, again = top_patches(prediction, 3), top_patches(prediction, 3)
    assert one.tobytes() == again.tobytes()
    # tiles of a slide are made when they are asked for
    asked = []

    def tile(number):
        asked.append(number)
        return Image.new('RGB', (20, 20))

    top_patches(SimpleNamespace(scores=scores, classes=('a', 'b')), 1, tile)
    expected = [
        n for label in (0, 1) for n in (scores[:, label].argmax(), scores[:, label].argmin())
    ]
    assert asked == expected


def test_what_does_not_fit_is_told():
    slide = SimpleNamespace(scores=np.zeros((2, 1)), classes=('a',))
    with pytest.raises(DataError, match='give their pictures'):
        top_patches(slide)
    with pytest.raises(DataError, match='1 pictures were given for 2 scores'):
        top_patches(slide, pictures=['a.png'])
    with pytest.raises(DataError, match=r'found \(0, 2\)'):
        extremes(np.zeros((0, 2)))
