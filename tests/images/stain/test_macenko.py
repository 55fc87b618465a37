from __future__ import annotations

import numpy as np
import pytest
from stained_tissue import slide, tissue

from cite.images.stain.density import from_density
from cite.images.stain.macenko import Macenko

DYES = np.array([[0.65, 0.70, 0.29], [0.15, 0.95, 0.28]])
DYES /= np.linalg.norm(DYES, axis=1, keepdims=True)


def stained(dyes, amounts):
    """(N, 2) amounts of two dyes as a picture."""
    side = int(len(amounts) ** 0.5)
    return from_density((amounts @ dyes).astype(np.float32)).reshape(side, side, 3)


@pytest.fixture
def amounts():
    """Mixtures of two dyes: some pixels pure, most not."""
    rng = np.random.default_rng(0)
    share = rng.beta(0.4, 0.4, 10_000)[:, None]
    return np.hstack([share, 1 - share]) * rng.uniform(0.4, 1.6, (10_000, 1))


def test_finds_the_dyes_that_a_picture_was_made_of(amounts):
    found = Macenko.estimate(stained(DYES, amounts))
    np.testing.assert_allclose(found['stains'], DYES, atol=0.02)
    np.testing.assert_allclose(found['maxima'], np.percentile(amounts, 99, axis=0), rtol=0.03)


def test_exchanges_the_dyes_and_scales_their_amounts(amounts):
    other = np.array([[0.55, 0.80, 0.25], [0.25, 0.90, 0.35]])
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    wanted = stained(other, 0.8 * amounts)
    maxima = 0.8 * np.percentile(amounts, 99, axis=0)
    out = Macenko(other, maxima)(stained(DYES, amounts))
    assert np.abs(out.astype(int) - wanted.astype(int)).mean() < 2


def test_haematoxylin_comes_first_in_drawn_tissue():
    for number in range(4):
        found = Macenko.estimate(tissue(number))['stains']
        stain = slide(number).stain
        for dye, true in zip(found, (stain.haematoxylin, stain.eosin), strict=True):
            assert dye @ (true / np.linalg.norm(true)) > 0.98


def test_a_dye_is_at_most_doubled_or_halved(amounts):
    picture = stained(DYES, amounts)
    found = Macenko.estimate(picture)
    outs = [Macenko(DYES, found['maxima'] * scale)(picture) for scale in (2.0, 9.0)]
    np.testing.assert_array_equal(*outs)
    assert not np.array_equal(Macenko(DYES, found['maxima'] * 1.5)(picture), outs[0])


def test_stains_of_any_length_are_directions(amounts):
    picture = stained(DYES, amounts)
    outs = [Macenko(DYES * scale, [1.2, 1.0])(picture) for scale in (1, 5)]
    np.testing.assert_array_equal(*outs)
