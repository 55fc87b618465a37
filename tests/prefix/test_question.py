"""What is another question, and what is the same."""

from __future__ import annotations

import pytest
from tiny_models import tiny_tower, tiny_trunk

from cite.errors import ConfigError
from cite.prefix.question import ask, picture

RESIZE = [{'type': 'ResizePatch', 'size': 32}]
LATE = {'type': 'VisualPrompt', 'layers': 2, 'init': 'normal'}


def test_the_same_question_has_the_same_key():
    assert ask(tiny_tower(), RESIZE, 'fp32').key == ask(tiny_tower(), RESIZE, 'fp32').key


def test_a_tuning_behind_the_frozen_stages_asks_the_same():
    other = {'type': 'LastBlocks'}
    assert tiny_tower(LATE).frozen_stages == tiny_tower(other).frozen_stages == 2
    assert ask(tiny_tower(LATE), RESIZE, 'fp32') == ask(tiny_tower(other), RESIZE, 'fp32')


@pytest.mark.parametrize(
    'other',
    [
        lambda: ask(tiny_tower(trunk=tiny_trunk(seed=1)), RESIZE, 'fp32'),
        lambda: ask(tiny_tower(LATE), RESIZE, 'fp32'),
        lambda: ask(tiny_tower(mean=(0.5, 0.5, 0.5)), RESIZE, 'fp32'),
        lambda: ask(tiny_tower(feature='token+mean', feature_dim=96), RESIZE, 'fp32'),
        lambda: ask(tiny_tower(), [{'type': 'ResizePatch', 'size': 32, 'how': 'pad'}], 'fp32'),
        lambda: ask(tiny_tower(), RESIZE, 'bf16'),
        lambda: ask(tiny_tower(), RESIZE, 'fp32', 'float16'),
    ],
    ids=['weights', 'stages', 'normalisation', 'feature', 'resizing', 'precision', 'dtype'],
)
def test_whatever_decides_a_value_is_in_the_key(other):
    assert other().key != ask(tiny_tower(), RESIZE, 'fp32').key


def test_features_stay_as_computed_and_tokens_of_half_towers_are_kept_in_half():
    assert ask(tiny_tower(), RESIZE, 'bf16').dtype == 'as computed'
    assert ask(tiny_tower(LATE), RESIZE, 'fp32').dtype == 'as computed'
    assert ask(tiny_tower(LATE), RESIZE, 'bf16').dtype == 'float16'


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(ConfigError, match='not made of plain values'):
        ask(tiny_tower(), [{'type': 'ResizePatch', 'how': object()}], 'fp32')
    with pytest.raises(ConfigError, match=r'cache\.dtype must be auto'):
        ask(tiny_tower(), RESIZE, 'fp32', 'int8')


def test_names_of_views():
    one, other = 'ab' * 32, 'cd' * 32
    augment = [*RESIZE, {'type': 'AugmentPatch'}]
    assert (
        picture(one, 0, 1, augment) == picture(one, 0, 2, RESIZE) != picture(other, 0, 1, augment)
    )
    views = {
        picture(one, 1, 0, augment),
        picture(one, 2, 0, augment),
        picture(one, 1, 1, augment),
        picture(one, 1, 0, [*RESIZE, {'type': 'AugmentPatch', 'hue': 0.1}]),
        picture(other, 1, 0, augment),
    }
    assert len(views) == 5
