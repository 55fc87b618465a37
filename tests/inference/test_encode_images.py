from __future__ import annotations

import numpy as np
import pytest

import cite
from cite.errors import ConfigError


@pytest.fixture(scope='module')
def pair():
    return cite.load_pair('tiny-tissue')


@pytest.fixture(scope='module')
def pictures():
    return list(np.random.default_rng(0).integers(0, 256, (5, 60, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize('half', ['tower', 'pair'])
def test_precision_is_fp32_unless_asked_for(pair, pictures, half):
    encode = pair.encode_images if half == 'pair' else pair.vision.encode_images
    exact = encode(pictures)
    np.testing.assert_allclose(encode(pictures, 2, precision='fp32', workers=0), exact, atol=1e-5)
    rough = encode(pictures, precision='bf16')
    assert rough.dtype == exact.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.1 * np.abs(exact).max()
    for options in ({'precision': 'half'}, {'batch_size': 0}, {'workers': -1}):
        with pytest.raises(ConfigError):
            encode(pictures, **options)
