from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cite.errors import ConfigError
from cite.images import ResizePatch, to_uint8_tensor


def picture(height=12, width=12, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def as_kind(image, kind):
    return image if kind == 'pil' else to_uint8_tensor(image)


KINDS = pytest.mark.parametrize('kind', ['pil', 'tensor'])


def test_to_uint8_tensor():
    image = picture(5, 7)
    tensor = to_uint8_tensor(image)
    assert tensor.dtype == torch.uint8
    assert np.array_equal(tensor.permute(1, 2, 0).numpy(), np.asarray(image))
    assert to_uint8_tensor(tensor) is tensor
    assert to_uint8_tensor(image.convert('L')).shape == (3, 5, 7)
    for bad in (tensor.float(), tensor[0], tensor[:1]):
        with pytest.raises(TypeError):
            to_uint8_tensor(bad)


@KINDS
def test_squash_is_pillows_resize(kind):
    image = picture(60, 90)
    resized = to_uint8_tensor(ResizePatch(24)(as_kind(image, kind)))
    expected = to_uint8_tensor(image.resize((24, 24), Image.Resampling.BICUBIC))
    off = (resized.int() - expected.int()).abs().max()
    assert off <= (0 if kind == 'pil' else 2)


@KINDS
def test_squash_may_leave_a_margin_to_crop(kind):
    image = picture(60, 90)
    resized = to_uint8_tensor(ResizePatch(24, how='squash', resize=30)(as_kind(image, kind)))
    whole = image.resize((30, 30), Image.Resampling.BICUBIC)
    expected = to_uint8_tensor(whole.crop((3, 3, 27, 27)))
    assert (resized.int() - expected.int()).abs().max() <= (0 if kind == 'pil' else 2)


@KINDS
def test_shortest_keeps_the_aspect_and_crops_the_centre(kind):
    image = picture(60, 90)
    resized = to_uint8_tensor(ResizePatch(24, how='shortest', resize=30)(as_kind(image, kind)))
    whole = image.resize((45, 30), Image.Resampling.BICUBIC)
    left, top = round((45 - 24) / 2), round((30 - 24) / 2)
    expected = to_uint8_tensor(whole.crop((left, top, left + 24, top + 24)))
    assert resized.shape == (3, 24, 24)
    assert (resized.int() - expected.int()).abs().max() <= (0 if kind == 'pil' else 2)


@KINDS
@pytest.mark.parametrize(('height', 'width'), [(61, 90), (90, 61), (61, 12)])
def test_pad_makes_a_black_square_of_the_whole_picture(kind, height, width):
    image = picture(height, width)
    resized = to_uint8_tensor(ResizePatch(24, how='pad')(as_kind(image, kind)))
    side = max(height, width)
    square = Image.new('RGB', (side, side))
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    expected = to_uint8_tensor(square.resize((24, 24), Image.Resampling.BICUBIC))
    assert (resized.int() - expected.int()).abs().max() <= (0 if kind == 'pil' else 2)


@KINDS
def test_pad_does_not_enlarge(kind):
    image = picture(7, 12)
    padded = to_uint8_tensor(ResizePatch(24, how='pad')(as_kind(image, kind)))
    inside = padded[:, 8:15, 6:18]
    assert torch.equal(inside, to_uint8_tensor(image))
    assert padded.sum() == inside.sum()


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_the_result_is_always_a_square_of_the_size(height, width, size, margin):
    for options in ({}, {'how': 'shortest', 'resize': size + margin}, {'how': 'pad'}):
        assert ResizePatch(size, **options)(picture(height, width)).size == (size, size)


def test_the_right_size_is_not_resampled():
    image = picture(12, 12)
    assert ResizePatch(12)(image) is image
    assert ResizePatch(12, how='shortest')(image) is image
    assert ResizePatch(12, how='pad')(image) is image
    wide = picture(12, 20)
    cropped = np.asarray(ResizePatch(12, how='shortest')(wide))
    assert np.array_equal(cropped, np.asarray(wide)[:, 4:16])


@pytest.mark.parametrize(
    'settings_',
    [
        dict(size=0),
        dict(size=8, how='crop'),
        dict(size=8, interpolation='area'),
        dict(size=8, resize=7),
        dict(size=8, how='pad', resize=9),
        dict(size=8, how='shortest', resize=7),
    ],
)
def test_resize_settings_are_checked(settings_):
    with pytest.raises(ConfigError):
        ResizePatch(**settings_)
