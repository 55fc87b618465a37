import pytest

from cite.errors import ConfigError
from cite.studies.grid import grid_methods
from cite.studies.options import config_with

GRID = {
    'backbone': ['tiny-tissue', 'clip-vit-b16'],
    'tuning': [None, 'VisualPrompt', {'type': 'LoRA', 'r': 4}],
    'head': ['linear', {'fragment': 'cite', 'name': 'text'}],
    'text_encoder': ['biolinkbert-base', 'hub/some-bert-v1.1'],
}


def made(**changes):
    return {
        m.name: m for m in grid_methods('quickstart/cite', {**GRID, **changes}, ['a', 'b', 'c'])
    }


def test_a_head_without_text_comes_once():
    methods = made()
    assert len(methods) == 2 * 3 * (1 + 2)
    linear = methods['tiny-tissue + LoRA(r=4) + linear']
    assert linear.factors == {
        'backbone': 'tiny-tissue',
        'tuning': 'LoRA(r=4)',
        'head': 'linear',
    }
    assert 'clip-vit-b16 + no tuning + some-bert-v1.1 + text' in methods


def test_configs_are_what_the_names_say(tmp_path):
    methods = made()
    text = methods['clip-vit-b16 + LoRA(r=4) + biolinkbert-base + text']
    cfg = config_with(text.config, text.options, tmp_path, 3)
    assert cfg.model.backbone.model == 'clip-vit-b16'
    assert cfg.model.backbone.tuning == {'type': 'LoRA', 'r': 4}  # nothing of the prompt is left
    assert cfg.model.head.text_encoder.model == 'biolinkbert-base'
    assert cfg.model.head.texts == ['a', 'b', 'c'] and cfg.model.neck.type == 'ProjectionNeck'
    assert cfg.randomness.seed == 3 and cfg.work_dir == str(tmp_path)
    linear = methods['tiny-tissue + no tuning + linear']
    cfg = config_with(linear.config, linear.options, tmp_path, 0)
    assert cfg.model.backbone.tuning is None and cfg.model.neck is None
    assert cfg.model.head == {'type': 'LinearHead'}


def test_one_level_is_not_in_the_name():
    names = list(made(backbone='tiny-tissue', tuning=None, text_encoder=['scibert']))
    assert names == ['linear', 'text']


def test_levels_with_options_of_their_own():
    found = made(backbone=[{'name': 'large', 'options': {'model.backbone.model': 'uni', 'x': 1}}])
    assert found['no tuning + linear'].options['x'] == 1


def test_the_text_encoder_of_the_base_goes_into_heads():
    encoder = {'type': 'TextEncoder', 'model': 'tiny-tissue'}
    (method,) = grid_methods('quickstart/cite', {'head': ['cite']}, ['a', 'b', 'c'], encoder)
    assert method.options['model.head']['text_encoder'] == encoder


@pytest.mark.parametrize(
    ('grid', 'message'),
    [
        ({'backbones': ['x']}, 'grid takes'),
        ({'head': []}, 'no levels'),
        ({'head': [None]}, 'expected names or dicts'),
        ({'tuning': [{'r': 4}]}, 'needs a `type`'),
        ({'backbone': ['hf-hub:a/uni', 'hf-hub:b/uni']}, 'give them names'),
    ],
)
def test_grids_that_are_none(grid, message):
    with pytest.raises(ConfigError, match=message):
        grid_methods('quickstart/cite', grid)


def test_options_leave_alone_what_a_config_does_not_have(tmp_path):
    options = {'train_dataloader.dataset.ann_file': 'x.csv'}
    cfg = config_with('patchgastric/zero_shot', options, tmp_path, 0)
    assert cfg.train_dataloader is None
    with pytest.raises(ConfigError, match='did you mean train_dataloader'):
        config_with('patchgastric/linear', {'train_dataloder.batch_size': 4}, tmp_path, 0)
    with pytest.raises(ConfigError, match='does not fit config'):
        config_with('patchgastric/linear', {'train_cfg': 5, 'train_cfg.max_iters': 3}, tmp_path, 0)
    with pytest.raises(ConfigError, match='has no parts'):
        config_with('patchgastric/linear', {'data_root.x': {'y': 1}}, tmp_path, 0)
