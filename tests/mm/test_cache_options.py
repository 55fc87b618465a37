"""`cache` and `views` of a config."""

from __future__ import annotations

import pytest
from mmengine.config import Config

import cite.mm  # noqa: F401  # registers the steps of pipelines
from cite.errors import ConfigError
from cite.mm.cache_options import settle_cache, settle_views


@pytest.mark.parametrize(
    ('given', 'mode'),
    [('auto', 'auto'), ('on', 'on'), (True, 'on'), (False, 'off'), (dict(mode='off'), 'off')],
)
def test_a_name_is_a_mode(given, mode):
    cfg = Config(dict(cache=given))
    settle_cache(cfg)
    assert cfg.cache == dict(mode=mode, limit_gb=50, dtype='auto')


def test_no_word_is_auto():
    cfg = Config(dict())
    settle_cache(cfg)
    settle_cache(cfg)
    assert cfg.cache.mode == 'auto'


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        ('yes', 'cache must be auto, on, off'),
        (dict(limit=3), 'found limit'),
        (dict(limit_gb=0), 'limit_gb must be a number above 0'),
        (dict(limit_gb='all'), 'limit_gb must be a number above 0'),
    ],
)
def test_other_words_are_refused(given, told):
    with pytest.raises(ConfigError, match=told):
        settle_cache(Config(dict(cache=given)))


def views(tuning, steps=('ResizePatch', 'AugmentPatch'), **given):
    dataset = dict(type='PatchDataset', pipeline=[dict(type=step) for step in steps], **given)
    cfg = Config(
        dict(
            model=dict(backbone=dict(model='tiny-tissue', tuning=tuning)),
            train_dataloader=dict(dataset=dataset),
        )
    )
    settle_views(cfg)
    return cfg.train_dataloader.dataset.views


@pytest.mark.parametrize('tuning', [None, 'NoTuning', dict(type='NoTuning')])
def test_an_untuned_tower_gets_views(tuning):
    assert views(tuning) == 8
    assert views(tuning, ('ResizePatch',)) is None
    assert views(tuning, views=3) == 3
    assert views(tuning, views=None) is None


@pytest.mark.parametrize('tuning', ['LoRA', dict(type='VisualPrompt'), ['LoRA', 'VisualPrompt']])
def test_a_tuned_one_does_not_by_itself(tuning):
    assert views(tuning) is None
    assert views(tuning, views=4) == 4
