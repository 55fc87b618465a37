"""What a store keeps is deterministic, and named by everything that decides it."""

from __future__ import annotations

import pytest

from cite.data.crop_patch import CropPatch
from cite.data.stain_jitter import StainJitter
from cite.data.store.front import front_digest, split_pipeline
from cite.data.transforms import AugmentPatch
from cite.errors import ConfigError
from cite.images import ResizePatch
from cite.images.stain import NormalizeStain

STAIN = {'mean': [0.5, 0.8, 0.4], 'std': [0.2, 0.3, 0.2]}


class Sharpen:
    """A step of somebody's own."""

    def __init__(self, radius=1):
        self.radius = radius

    def __call__(self, image):
        return image


class Described(Sharpen):
    def describe(self):
        return {'radius': self.radius}


def test_a_pipeline_is_taken_apart():
    steps = [NormalizeStain('reinhard', STAIN), ResizePatch(32), AugmentPatch(), StainJitter()]
    assert split_pipeline(steps) == (steps[:2], steps[2:])
    assert split_pipeline(steps[1:2]) == (steps[1:2], [])


@pytest.mark.parametrize(
    ('steps', 'told'),
    [
        ([CropPatch(), ResizePatch(32)], 'CropPatch is a step that may be random'),
        ([ResizePatch(32), Sharpen()], 'Sharpen .* `describe`'),
        ([AugmentPatch(), ResizePatch(32)], 'AugmentPatch is random .* put it behind ResizePatch'),
    ],
)
def test_what_cannot_be_kept_is_named(steps, told):
    with pytest.raises(ConfigError, match=f'{told}.*store=False'):
        split_pipeline(steps)


def test_every_option_counts():
    fronts = [
        [ResizePatch(32)],
        [ResizePatch(33)],
        [ResizePatch(32, 'bilinear')],
        [ResizePatch(32, how='shortest')],
        [ResizePatch(32, resize=40)],
        [NormalizeStain('reinhard', STAIN), ResizePatch(32)],
        [NormalizeStain('reinhard', {**STAIN, 'mean': [0.5, 0.8, 0.5]}), ResizePatch(32)],
        [Described(), ResizePatch(32)],
        [Described(2), ResizePatch(32)],
    ]
    assert len({front_digest(front) for front in fronts}) == len(fronts)
    assert front_digest([ResizePatch(32)]) == front_digest(fronts[0])
