from __future__ import annotations

import pytest
import timm
import torch

from cite.encoders.towers.conv_stem import ConvStem
from cite.errors import ConfigError


def test_it_cuts_an_image_into_the_patches_that_it_says():
    stem = ConvStem(img_size=32, patch_size=8, embed_dim=48)
    assert (stem.num_patches, stem.grid_size, stem.patch_size) == (16, (4, 4), (8, 8))
    assert stem(torch.rand(2, 3, 32, 32)).shape == (2, 16, 48)
    assert [layer.out_channels for layer in stem.stem[::3]] == [12, 24, 48]


def test_tokens_come_row_by_row():
    stem = ConvStem(img_size=32, patch_size=8, embed_dim=48).eval()
    image = torch.zeros(1, 3, 32, 32)
    plain = stem(image)
    image[:, :, 10:13, 26:29] = (
        1  # within row 1, column 3; its neighbours may see it, the others not
    )
    moved = (stem(image) - plain).norm(dim=2)[0] > 1e-6
    assert moved[7] and not moved[:2].any() and not moved[12:].any()


def test_it_stands_for_the_patch_embedding_of_a_timm_model():
    model = timm.create_model(
        'vit_tiny_patch16_224',
        img_size=32,
        patch_size=8,
        depth=1,
        num_classes=0,
        embed_layer=ConvStem,
    )
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 192)
    assert model.pos_embed.shape == (1, 17, 192)


def test_a_patch_that_is_no_power_of_two_is_refused():
    with pytest.raises(ConfigError, match='power of 2, found 14'):
        ConvStem(img_size=28, patch_size=14)
