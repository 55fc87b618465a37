"""Runs on kept activations are the runs that compute them in every step, bit for bit."""

from __future__ import annotations

import shutil

import pytest
import torch

from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.mm.launch import test as evaluate
from cite.mm.launch import train

LATE = {'type': 'VisualPrompt', 'layers': [1]}  # its token comes from the first batch's embedding


@pytest.fixture
def config(tiny, tmp_path):
    """`config('on', tuning, {'dotted.key': value})`, with a run folder of its own name."""

    def build(cache, tuning=None, options=None, name=None):
        cfg = tiny({'cache': cache, **(options or {})})
        cfg.model.backbone.tuning = tuning
        cfg.train_dataloader.dataset.views = 3
        cfg.work_dir = str(tmp_path / (name or cache))
        return cfg

    return build


@pytest.fixture
def passes(monkeypatch):
    """Images that went through the whole tower, and through its frozen stages alone."""
    counts = {'forward': 0, 'prefix': 0}
    for name in counts:
        real = getattr(VisionTower, name)

        def spy(self, images, real=real, name=name):
            counts[name] += len(images)
            return real(self, images)

        monkeypatch.setattr(VisionTower, name, spy)
    return counts


def state(folder, iteration=8):
    return torch.load(folder / f'iter_{iteration}.pth', weights_only=True)['state_dict']


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize(
    'tuning', [None, LATE, [{'type': 'LoRA', 'blocks': [1]}, LATE]], ids=['none', 'prompt', 'both']
)
def test_same_weights_as_without(config, tmp_path, tuning):
    train(config('on', tuning))
    train(config('off', tuning))
    assert_same(state(tmp_path / 'on'), state(tmp_path / 'off'))


def test_same_scores_and_the_tower_is_not_run_again(config, tmp_path, passes):
    train(config('on'))
    assert passes['forward'] == 0
    once = passes['prefix']
    found = evaluate(config('on'), str(tmp_path / 'on' / 'iter_8.pth'))
    assert evaluate(config('off', name='on'), str(tmp_path / 'on' / 'iter_8.pth')) == found
    assert passes['forward'] == 9
    passes['prefix'] = 0
    train(config('on', name='again'))
    evaluate(config('on', name='again'), str(tmp_path / 'again' / 'iter_8.pth'))
    assert passes['prefix'] == 0
    assert once >= 27 * 3


def test_resumes_bit_for_bit(config, tmp_path):
    train(config('on', LATE))
    (tmp_path / 'half').mkdir()
    shutil.copy(tmp_path / 'on' / 'iter_4.pth', tmp_path / 'half')
    train(config('on', LATE, name='half'), resume=str(tmp_path / 'half' / 'iter_4.pth'))
    assert_same(state(tmp_path / 'half'), state(tmp_path / 'on'))


def test_loss_in_half_precision_is_near(config, tmp_path):
    losses = []
    for cache in ('on', 'off'):
        cfg = config(cache, LATE, {'model.precision': 'bf16'})
        runner = train(cfg)
        losses.append(runner.message_hub.get_scalar('train/loss').current())
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_a_head_is_made_from_kept_features(config, tmp_path, passes):
    for cache in ('on', 'off'):
        cfg = config(cache)
        cfg.model.neck = None
        cfg.model.head = dict(type='KNNHead')
        train(cfg)
    assert_same(state(tmp_path / 'on', 0), state(tmp_path / 'off', 0))
    assert passes['forward'] == 27


def test_validation_in_the_course_of_training(config, tmp_path, passes):
    cfg = config('on')
    cfg.val_dataloader = cfg.test_dataloader
    cfg.val_cfg = {}
    cfg.train_cfg.val_interval = 4
    train(cfg)
    assert passes['forward'] == 0


def test_what_cannot_be_kept_under_on_is_an_error(config):
    with pytest.raises(ConfigError, match='cache=on: what is made of training patches'):
        train(config('on', {'type': 'VisualPrompt'}))


def test_auto_leaves_a_prompt_at_the_input_alone(config, passes):
    cfg = config('auto', {'type': 'VisualPrompt'})
    cfg.train_dataloader.dataset.views = 'auto'
    train(cfg)
    assert passes['forward'] == 32
    assert passes['prefix'] == 0
