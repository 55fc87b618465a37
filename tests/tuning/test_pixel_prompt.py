from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import tiny_images, tiny_tower
from tower_kinds import VISION, check_autocast, check_state, check_trains, fit, vision

from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.tuning.base import PIXELS
from cite.tuning.pixel_prompt import PixelPrompt

SIDE = 32
KINDS: list[dict[str, Any]] = [
    {'kind': 'border', 'width': 5},
    {'kind': 'patch', 'width': 7, 'corner': 'bottom right'},
    {'kind': 'full'},
]
SIZES = [3 * (32**2 - 22**2), 3 * 49, 3 * 32**2]


def prompted(**options: Any) -> VisionTower:
    return tiny_tower({'type': 'PixelPrompt', 'width': 4, **options})


def picture(tower: VisionTower) -> torch.Tensor:
    """What is added to a black image."""
    assert isinstance(tower.tuning, PixelPrompt)
    return tower.tuning.before_embed(torch.zeros(1, 3, SIDE, SIDE))[0]


@pytest.mark.parametrize('backbone', VISION)
@pytest.mark.parametrize('options', KINDS, ids=lambda options: options['kind'])
def test_trains_in_front_of_any_backbone(backbone, options):
    torch.manual_seed(0)
    tower = vision(backbone, {'type': 'PixelPrompt', **options})
    assert tower.tuning.first_stage == PIXELS
    plain = vision(backbone)
    images = tiny_images(side=tower.image_size)
    torch.testing.assert_close(tower(images), plain(images))  # zeros at the start
    check_trains(tower)
    assert not any(module.training for module in tower.trunk.modules())
    assert tower.tuning.group_of('tuning.prompt') == 'prompt'


@pytest.mark.parametrize(('options', 'size'), list(zip(KINDS, SIZES, strict=True)))
def test_formula(options, size):
    tower = prompted(**options)
    assert tower.tuning.trained_parameters(tower) == size
    assert tower.tuning.prompt.shape == (3, size // 3)


def test_gradients_reach_what_trains_behind_a_frozen_embedding():
    tower = tiny_tower(
        {'type': 'Several', 'tunings': ['VisualPrompt', {'type': 'PixelPrompt', 'width': 4}]}
    )
    assert tower.tuning.first_stage == PIXELS
    tower(tiny_images()).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in tower.tuning.parameters())
    assert all(p.grad is None for p in tower.trunk.parameters())


@torch.no_grad()
def test_border_frames_the_image():
    tower = prompted(kind='border', width=5, init='normal')
    drawn = picture(tower)
    inner = drawn[:, 5:-5, 5:-5]
    assert inner.shape == (3, 22, 22)
    assert not inner.any()
    assert int((drawn != 0).sum()) == 3 * (32**2 - 22**2)
    tower.tuning.prompt.copy_(torch.arange(540.0).expand(3, -1))
    assert picture(tower)[0, 0].tolist() == list(range(32))  # row by row
    assert picture(tower)[2, 5].tolist() == [
        160,
        161,
        162,
        163,
        164,
        *[0] * 22,
        165,
        166,
        167,
        168,
        169,
    ]


@pytest.mark.parametrize(
    ('corner', 'rows', 'columns'),
    [
        ('top left', slice(0, 4), slice(0, 4)),
        ('top right', slice(0, 4), slice(28, 32)),
        ('bottom left', slice(28, 32), slice(0, 4)),
        ('bottom right', slice(28, 32), slice(28, 32)),
    ],
)
def test_patch_lies_in_its_corner(corner, rows, columns):
    tower = prompted(kind='patch', corner=corner, init='normal')
    drawn = picture(tower)
    assert torch.equal(drawn[:, rows, columns].flatten(1), tower.tuning.prompt)
    assert int((drawn != 0).sum()) == 3 * 16


@torch.no_grad()
def test_it_is_added_to_the_normalised_image():
    tower = prompted(kind='full', init='normal')
    assert tower.tuning.prompt.std().item() == pytest.approx(1, rel=0.1)
    images = tiny_images()
    pixels = (images - tower.mean) / tower.std + tower.tuning.prompt.view(3, SIDE, SIDE)
    tokens = tower.stages.embed(pixels)
    for block in tower.blocks:
        tokens = block(tokens)
    torch.testing.assert_close(tower(images), tower.pool(tokens))


@pytest.mark.parametrize('options', KINDS, ids=lambda options: options['kind'])
def test_state_goes_into_a_fresh_tower(options):
    check_state(lambda: prompted(**options))
    assert prompted(**options).state_dict().keys() == {'tuning.prompt'}


def test_trains_under_autocast():
    check_autocast(lambda: prompted(kind='border'))


def test_learns():
    start, end = fit(prompted(kind='full'), lr=0.1)
    assert end < 0.7 * start


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'kind': 'frame'}, 'border, patch, full.*frame'),
        ({'corner': 'centre'}, 'top left, .*centre'),
        ({'init': 'token'}, 'zero, normal.*token'),
        ({'width': 0}, 'at least 1, found 0'),
        ({'width': 2.5}, '2.5'),
        (
            {'kind': 'border', 'width': 16},
            '32 × 32 pixels that tiny takes; use a width of at most 15',
        ),
        ({'kind': 'patch', 'width': 33}, 'at most 32'),
    ],
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(ConfigError, match=named):
        prompted(**options)


def test_widest_that_fit():
    assert prompted(kind='border', width=15).tuning.prompt.shape == (3, 32**2 - 4)
    assert prompted(kind='patch', width=32).tuning.prompt.shape == (3, 32**2)
    assert prompted(kind='full', width=99).tuning.prompt.shape == (3, 32**2)


def test_text_towers_take_none(towers):
    with pytest.raises(ConfigError, match='PixelPrompt tunes vision towers'):
        towers('bert', 'PixelPrompt')


@pytest.mark.parametrize('kind', ['resnet', 'internimage', 'convnext'])
def test_towers_that_take_no_other_prompt_name_it(kind):
    with pytest.raises(ConfigError, match=r"no tokens that prompts could join.*'PixelPrompt'"):
        vision(kind, 'VisualPrompt')


def test_every_kind_of_tower_without_prompts_offers_it():
    silent = [
        name
        for name in STAGES.names()
        if not STAGES.get(name).takes_prompts
        and "'PixelPrompt'" not in STAGES.get(name).alternatives
    ]
    assert silent == []


def test_shows_what_it_is():
    assert 'border, width=4, zero' in repr(prompted())
    assert 'patch, width=4, top left, zero' in repr(prompted(kind='patch'))
    assert 'PixelPrompt(full, zero)' in repr(prompted(kind='full'))
