from __future__ import annotations

import pytest
import torch
from small_adapter import build, pictures
from tiny_models import tiny_images
from tower_kinds import (
    VISION,
    check_autocast,
    check_state,
    check_trains,
    features,
    fit,
    size,
    step,
    vision,
)

from cite.adapter import save_adapter
from cite.errors import ConfigError
from cite.images import image_batches
from cite.serving.rebuild import load_adapter
from cite.tuning.base import BEHIND

SPEC = {'type': 'SideTuning', 'width': 8, 'layers': 2}


@pytest.mark.parametrize('kind', VISION)
def test_starts_as_a_share_of_the_towers_feature(towers, kind):
    tower, plain = towers(kind, SPEC), towers(kind)
    torch.testing.assert_close(features(tower), 0.9 * features(plain))
    assert tower.digest == plain.digest
    even = towers(kind, {**SPEC, 'alpha': 0.5})
    torch.testing.assert_close(features(even), 0.5 * features(plain))


@pytest.mark.parametrize('kind', VISION)
def test_trains_all_of_itself_and_nothing_else(towers, kind):
    check_trains(towers(kind, SPEC))


@torch.no_grad()
def test_adds_what_the_side_network_sees_in_the_normalised_images(towers):
    tower, plain = towers('vit', SPEC), towers('vit')
    with torch.enable_grad():
        step(tower, lr=0.1)
        step(tower, lr=0.1)
    images = tiny_images()
    alpha = torch.sigmoid(tower.tuning.logit)
    side = tower.tuning.net((images - tower.mean) / tower.std)
    assert side.abs().max() > 1e-2
    torch.testing.assert_close(tower(images), alpha * plain(images) + (1 - alpha) * side)


@pytest.mark.parametrize('kind', VISION)
def test_the_tower_is_computed_without_gradients(towers, kind):
    tower = towers(kind, SPEC).train()
    assert tower.tuning.first_stage == BEHIND
    graphs = []
    for module in tower.trunk.modules():
        module.register_forward_hook(
            lambda _m, _i, out: (
                graphs.append(out.requires_grad) if hasattr(out, 'grad_fn') else None
            )
        )
    assert features(tower).requires_grad
    assert graphs and not any(graphs)


@pytest.mark.parametrize('kind', ['vit', 'swin', 'convnext'])
def test_state_dict(towers, kind):
    check_state(towers.maker(kind, SPEC))


def test_autocast(towers):
    check_autocast(towers.maker('vit', SPEC))


def test_counts(towers):
    expected = 9 * 3 * 8 + 2 * 8 + 9 * 8 * 16 + 2 * 16 + (16 + 1) * 48 + 1
    tower = towers('vit', SPEC)
    assert size(tower) == expected
    assert tower.tuning.group_of('tuning.logit') == 'peft'
    assert repr(tower.tuning) == 'SideTuning(channels=[8, 16], alpha=0.9)'


def test_it_learns():
    torch.manual_seed(0)
    start, end = fit(vision('vit', SPEC), steps=40, lr=0.03)
    assert end < 0.5 * start


def test_an_adapter_file_brings_it_back(tmp_path):
    classifier, info = build(tuning=SPEC)
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    loaded, _ = load_adapter(path)
    (batch,) = image_batches(pictures(2), classifier.backbone.resize, 2)
    with torch.inference_mode():
        assert torch.equal(loaded(batch), classifier(batch))


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'width': 0}, 'width must be a whole number of at least 1, found 0'),
        ({'layers': 'two'}, 'layers must be a whole number'),
        ({'alpha': 1}, 'alpha must lie between 0 and 1, found 1'),
        ({'alpha': '0.5'}, 'alpha must lie'),
    ],
)
def test_wrong_options_are_named(towers, options, named):
    with pytest.raises(ConfigError, match=f'SideTuning: {named}'):
        towers('vit', {**SPEC, **options})


def test_text_towers_have_no_side(towers):
    with pytest.raises(ConfigError, match='SideTuning tunes vision towers'):
        towers('bert', SPEC)
