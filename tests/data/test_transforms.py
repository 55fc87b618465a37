from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from cite.data import AugmentPatch, PatchTransform, seeded
from cite.errors import ConfigError
from cite.images import ResizePatch, to_uint8_tensor


def picture(height=12, width=12, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def as_kind(image, kind):
    return image if kind == 'pil' else to_uint8_tensor(image)


KINDS = pytest.mark.parametrize('kind', ['pil', 'tensor'])


def symmetries(image):
    pixels = np.asarray(image)
    turns = [np.rot90(pixels, k) for k in range(4)]
    return {array.tobytes() for turn in turns for array in (turn, turn[:, ::-1])}


@KINDS
def test_symmetries_only_move_pixels_and_all_eight_occur(kind):
    image = picture()
    augment = AugmentPatch(brightness=0, contrast=0, saturation=0)
    seen = set()
    for number in range(100):
        with seeded(0, number):
            out = to_uint8_tensor(augment(as_kind(image, kind)))
        seen.add(out.permute(1, 2, 0).numpy().tobytes())
    assert seen == symmetries(image)


def test_flips_alone_never_turn_and_oblong_pictures_keep_their_shape():
    image = picture()
    pixels = np.asarray(image)
    flips = AugmentPatch(rotate90=False, brightness=0, contrast=0, saturation=0)
    allowed = {a.tobytes() for a in (pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1])}
    assert {np.asarray(flips(image)).tobytes() for _ in range(60)} == allowed
    assert {AugmentPatch()(picture(6, 10)).size for _ in range(20)} == {(10, 6)}


def test_the_same_symmetry_for_pictures_and_tensors():
    augment = AugmentPatch(brightness=0, contrast=0, saturation=0)
    for number in range(20):
        with seeded(0, number):
            from_picture = to_uint8_tensor(augment(picture()))
        with seeded(0, number):
            from_tensor = augment(to_uint8_tensor(picture()))
        assert torch.equal(from_picture, from_tensor)


@KINDS
def test_augmentation_is_a_function_of_the_key(kind):
    augment = AugmentPatch(hue=0.1)
    outputs = []
    for number in (1, 1, 2):
        with seeded(0, number):
            outputs.append(to_uint8_tensor(augment(as_kind(picture(), kind))))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_brightness_is_a_factor_around_one():
    augment = AugmentPatch(flip=False, rotate90=False, brightness=0.2, contrast=0, saturation=0)
    grey = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    values = [int(augment(grey)[0, 0, 0]) for _ in range(200)]
    assert 79 <= min(values) < 85
    assert 115 < max(values) <= 120


def test_saturation_stays_near_the_original():
    """The factor is 1 - x to 1 + x; taken as 0 to x it would make tissue grey."""
    augment = AugmentPatch(flip=False, rotate90=False, brightness=0, contrast=0, saturation=0.2)
    pink = torch.tensor([200, 100, 150], dtype=torch.uint8).view(3, 1, 1).expand(3, 2, 2)
    spreads = [int(out.max()) - int(out.min()) for out in (augment(pink) for _ in range(50))]
    assert 78 <= min(spreads) < max(spreads) <= 121


def test_nothing_on_is_the_identity():
    image = picture()
    off = AugmentPatch(flip=False, rotate90=False, brightness=0, contrast=0, saturation=0)
    assert off(image) is image


@pytest.mark.parametrize('settings_', [dict(brightness=-0.1), dict(saturation=1.5), dict(hue=0.6)])
def test_augmentation_settings_are_checked(settings_):
    with pytest.raises(ConfigError, match='jitter must be'):
        AugmentPatch(**settings_)


@pytest.mark.parametrize('augment', [None, AugmentPatch()])
def test_the_whole_transform_gives_a_uint8_tensor_and_pickles(augment):
    transform = pickle.loads(pickle.dumps(PatchTransform(ResizePatch(8), augment)))
    out = transform(picture(20, 14))
    assert (out.dtype, out.shape) == (torch.uint8, (3, 8, 8))
