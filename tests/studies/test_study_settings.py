import pytest

from cite.studies.description import Method
from cite.studies.options import config_with
from cite.studies.settings import DECAY, GROUPS, RATE, describe, groups_of, settings_of


def settings(method, tmp_path, budget=3):
    cfg = config_with(method.config, method.options, tmp_path, 0)
    return settings_of(method, cfg, groups_of(method), budget)


def method(config, options=None, **more):
    tiny = {'model.backbone.model': 'random-vit-tiny', 'model.backbone.image_size': 32}
    return Method('m', str(config), {**tiny, **(options or {})}, **more)


def test_around_the_rate_of_the_config(small_config, tmp_path):
    found = settings(method(small_config, {RATE: 0.01, DECAY: 0.1}), tmp_path, 6)
    assert [(s.lr, s.weight_decay) for s in found] == [
        (0.01, 0.1),
        (0.003, 0.1),
        (0.03, 0.1),
        (0.01, 1.0),
        (0.003, 1.0),
        (0.03, 1.0),
    ]
    assert found[1].options == {RATE: 0.003, DECAY: 0.1}


def test_without_weight_decay_only_rates_differ(small_config, tmp_path):
    sgd = {'optim_wrapper.optimizer': {'type': 'SGD', 'lr': 0.1}}
    assert [s.lr for s in settings(method(small_config, sgd), tmp_path, 6)] == [0.1, 0.03, 0.3]


def test_heads_that_do_not_train_choose_among_their_options(small_config, tmp_path):
    options = {'model.head': {'type': 'KNNHead'}, 'model.neck': None, 'model.backbone.tuning': None}
    found = settings(method(small_config, options), tmp_path)
    assert [s.options for s in found] == [{'model.head.k': k} for k in (5, 1, 20)]


def test_what_the_method_names_comes_first(small_config, tmp_path):
    found = settings(method(small_config, choose={'model.head.temperature': [1.0, 2.0]}), tmp_path)
    assert [s.options['model.head.temperature'] for s in found] == [1.0, 2.0]


def test_nothing_to_choose(small_config, tmp_path):
    zero_shot = {
        'model.backbone.tuning': None,
        'model.neck': None,
        'model.backbone.model': 'tiny-tissue',
        'model.backbone.image_size': 64,
        'model.head': {
            'type': 'ZeroShotHead',
            'texts': ['a', 'b', 'c'],
            'text_encoder': {'type': 'TextEncoder', 'model': 'tiny-tissue'},
        },
    }
    (only,) = settings(method(small_config, zero_shot), tmp_path)
    assert only.options == {}


@pytest.mark.parametrize(
    ('tuning', 'rate'), [('VisualPrompt', 1e-2), ('LoRA', 1e-3), ('FullFineTuning', 1e-4)]
)
def test_a_grid_goes_by_what_trains(small_config, tmp_path, tuning, rate):
    options = {'model.backbone.tuning': {'type': tuning}}
    found = settings(method(small_config, options, factors={'tuning': tuning}), tmp_path)
    assert found[0].lr == rate
    # neck and head keep the rate of heads, and no group without weights is named
    assert found[0].options[GROUPS] == {'groups': {'neck': {'lr': 1e-2}}}
    cfg = config_with(str(small_config), {**options, **found[0].options}, tmp_path, 0)
    assert cfg.optim_wrapper.paramwise_cfg.groups.neck.lr == 1e-2


def test_a_grid_leaves_what_options_say(small_config, tmp_path):
    options = {'model.backbone.tuning': {'type': 'LoRA'}, DECAY: 0.3}
    found = settings(method(small_config, options, factors={'tuning': 'LoRA'}), tmp_path)
    assert (found[0].lr, found[0].weight_decay) == (1e-3, 0.3)
    whole = {**options, 'optim_wrapper.optimizer': {'type': 'AdamW', 'lr': 0.02}}
    found = settings(method(small_config, whole, factors={'tuning': 'LoRA'}), tmp_path)
    assert found[0].lr == 0.02


def test_a_setting_comes_over_what_it_is_part_of(small_config, tmp_path):
    sgd = {RATE: 1e-3, 'optim_wrapper.optimizer': {'type': 'SGD', 'lr': 0.1}}
    cfg = config_with(str(small_config), {**sgd, RATE: 0.03}, tmp_path, 0)
    assert cfg.optim_wrapper.optimizer == {'type': 'SGD', 'lr': 0.03}


def test_in_words():
    assert describe({RATE: 0.003, DECAY: 0.01, GROUPS: {}}) == 'lr 0.003, weight_decay 0.01'
    assert describe({}) == 'preset'
