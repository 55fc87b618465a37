from __future__ import annotations

from dataclasses import replace

import pytest

from cite.encoders.zoo import CARDS
from cite.errors import ConfigError

CARD = CARDS['dinov2-vit-b14']


@pytest.mark.parametrize('field', ['feature', 'resize', 'interpolation', 'pos_interp'])
def test_unknown_choice(field):
    with pytest.raises(ConfigError, match=f"dinov2-vit-b14.*{field} must be one of .*'nonsense'"):
        replace(CARD, **{field: 'nonsense'})


def test_crop_must_fit_into_the_resized_image():
    with pytest.raises(ConfigError, match='resized to 100 pixels, less than the crop of 224'):
        replace(CARD, resize_size=100)


def test_hashable_and_resize_size_follows_the_image_size():
    assert hash(CARD) == hash(replace(CARD))
    assert CARDS['clip-vit-b16'].resize_size == 224


def test_every_margin_reaches_the_resizing():
    """timm's 'squash' models may have one as well."""
    from cite.encoders.card import resize_options

    squash = replace(CARD, resize='squash', resize_size=256)
    assert resize_options(squash, 112) == {
        'size': 112,
        'interpolation': 'bicubic',
        'how': 'squash',
        'resize': 128,
    }
    assert 'resize' not in resize_options(replace(squash, resize_size=224), 112)
