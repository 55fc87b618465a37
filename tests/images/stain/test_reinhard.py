from __future__ import annotations

import numpy as np
import pytest
from stained_tissue import tissue

from cite.images.stain.density import tissue_pixels
from cite.images.stain.reinhard import Reinhard

REFERENCE = {'mean': [-0.34, -0.08, 0.017], 'std': [0.10, 0.03, 0.005]}


def published(rgb):
    """l, α, β of one colour, written out from the paper's equations 4 to 6 (light of 0 to 1)."""
    r, g, b = (np.asarray(rgb, float) + 1) / 256
    cones = (
        0.3811 * r + 0.5783 * g + 0.0402 * b,
        0.1967 * r + 0.7244 * g + 0.0782 * b,
        0.0241 * r + 0.1288 * g + 0.8444 * b,
    )
    long, medium, short = np.log10(cones)
    return [
        (long + medium + short) / 3**0.5,
        (long + medium - 2 * short) / 6**0.5,
        (long - medium) / 2**0.5,
    ]


def test_statistics_are_those_of_the_published_space():
    colours = np.random.default_rng(0).integers(60, 180, (20, 20, 3)).astype(np.uint8)
    wanted = np.array([published(rgb) for rgb in colours.reshape(-1, 3)])
    found = Reinhard.estimate(colours)
    np.testing.assert_allclose(found['mean'], wanted.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found['std'], wanted.std(axis=0), atol=1e-5)


@pytest.mark.parametrize('number', range(3))
def test_tissue_gets_the_mean_and_spread_of_the_reference(number):
    pixels = tissue(number)
    found = Reinhard.estimate(pixels)
    dense = (pixels.astype(int).sum(axis=2) < 500).nonzero()  # no part of it fades out
    out = Reinhard(**REFERENCE)(pixels)
    scale = np.array(REFERENCE['std']) / found['std']
    before, after = (
        np.array([published(rgb) for rgb in picture[dense]]) for picture in (pixels, out)
    )
    wanted = (before - found['mean']) * scale + REFERENCE['mean']
    assert np.abs(after - wanted).mean(axis=0).max() < 0.003


def test_only_tissue_counts():
    pixels = tissue(0).copy()
    margin = np.full((60, 96, 3), 245, np.uint8)
    wide = np.concatenate([margin, pixels])
    assert len(tissue_pixels(wide)) == len(tissue_pixels(pixels))
    for name, value in Reinhard.estimate(wide).items():
        np.testing.assert_allclose(value, Reinhard.estimate(pixels)[name])
