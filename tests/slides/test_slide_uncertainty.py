from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import made, shares
from scipy import ndimage

from cite.errors import ConfigError
from cite.evaluation.aggregation import AGGREGATIONS, aggregate
from cite.slides.uncertainty import aggregate_weighted, blocks_of, uncertainty


@settings(max_examples=60, deadline=None)
@given(
    how=st.sampled_from(AGGREGATIONS),
    top_k=st.integers(1, 12),
    counts=st.lists(st.integers(0, 3), min_size=2, max_size=5),
    seed=st.integers(0, 99),
)
def test_a_block_drawn_n_times_counts_as_n_copies_of_its_tiles(how, top_k, counts, seed):
    counts = [*counts, 1]
    rng = np.random.default_rng(seed)
    blocks = np.concatenate([np.arange(len(counts)), rng.integers(0, len(counts), 9)])
    scores = shares(len(blocks), seed=seed)
    found = aggregate_weighted(scores, blocks, np.array([counts], float), how, top_k)
    copies = np.repeat(scores, np.array(counts)[blocks], axis=0)
    expected = aggregate(copies, np.zeros(len(copies), np.int64), how, top_k)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_small_tissue_has_no_interval_and_says_why():
    found = uncertainty(made(shares(64), 8, 8))
    assert found.low is None and found.high is None
    assert '1.0 blocks of 1 mm' in found.why


@pytest.mark.parametrize(('how', 'word'), [('max', "'max'"), ('topk', '10 highest of 1600')])
def test_what_hangs_on_a_few_extreme_tiles_has_no_interval(how, word):
    found = uncertainty(made(shares(1600), 40, 40, aggregation=how, top_k=10))
    assert found.low is None and word in found.why
    many = uncertainty(made(shares(1600), 40, 40, aggregation='topk', top_k=400))
    assert many.low is not None


def field(smooth, seed=0, side=54):
    noise = np.random.default_rng(seed).standard_normal((side, side))
    noise = ndimage.gaussian_filter(noise, smooth) if smooth else noise
    share = 1 / (1 + np.exp(-2 * noise / noise.std())).ravel()
    return np.stack([share, 1 - share], 1).astype(np.float32)


def test_neighbours_that_look_alike_widen_the_interval():
    widths = {}
    for smooth in (0, 4):
        scores = field(smooth)
        found = uncertainty(made(scores, 54, 54))
        widths[smooth] = (found.high[0] - found.low[0]) / scores[:, 0].std()
        assert found.low[0] < scores[:, 0].mean() < found.high[0]
    # as of independent tiles, where they are
    assert widths[0] == pytest.approx(2 * 2.13 / 54, rel=0.5)
    assert widths[4] > 3 * widths[0]


def test_intervals_hold_the_mean_as_often_as_they_say():
    hits = [
        found.low[0] <= 0.5 <= found.high[0]
        for seed in range(120)
        for found in [uncertainty(made(field(0, seed, 36), 36, 36), draws=100)]
    ]
    assert np.mean(hits) > 0.88


@pytest.mark.parametrize('how', ['mean', 'median', 'logmean'])
def test_intervals_lie_between_zero_and_one_around_the_result_and_repeat(how):
    scores = np.clip(field(3) ** 6, 1e-9, 1)
    result = made(scores / scores.sum(1, keepdims=True), 54, 54, aggregation=how)
    first, second = uncertainty(result), uncertainty(result)
    assert first == second
    assert uncertainty(result, seed=1).low != first.low
    for low, share, high in zip(first.low, result.probabilities, first.high, strict=True):
        assert 0 <= low <= share <= high <= 1


def test_entropy_margin_and_agreement():
    scores = np.array([[0.7, 0.2, 0.1]] * 3 + [[0.1, 0.8, 0.1]], np.float32)
    found = uncertainty(made(scores, 2, 2))
    assert found.agreement == 0.75
    assert found.margin == pytest.approx(0.55 - 0.35, abs=1e-6)
    mean = np.array([0.55, 0.35, 0.1])
    assert found.entropy == pytest.approx(-(mean * np.log(mean)).sum() / np.log(3), abs=1e-6)
    sure = uncertainty(made([[1.0, 0.0]] * 4, 2, 2))
    assert (sure.entropy, sure.margin, sure.agreement) == (0, 1, 1)
    assert uncertainty(made([[0.5, 0.5]] * 4, 2, 2)).entropy == pytest.approx(1)


def test_blocks_are_squares_of_millimetres_whatever_the_pixels():
    # 0.25 µm across and 0.5 down: twice as many pixels across per millimetre
    result = made(shares(20 * 20), 20, 20, slide_mpp=(0.25, 0.5))
    blocks = blocks_of(result, 0.56)  # five tiles
    grid = blocks.reshape(20, 20)
    assert (grid[:5, :5] == grid[0, 0]).all() and grid[0, 5] != grid[0, 0] != grid[5, 0]
    assert len(np.unique(blocks)) == 16


def test_numbers_out_of_range_are_refused():
    result = made(shares(4), 2, 2)
    for options in ({'draws': 10}, {'confidence': 1.0}, {'block_mm': 0}):
        with pytest.raises(ConfigError, match='uncertainty takes'):
            uncertainty(result, **options)
