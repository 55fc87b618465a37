"""What must hold of maps, whatever made them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from explained_models import KINDS, WHOLE, model_of, sides
from sklearn.linear_model import LogisticRegression
from tiny_models import CLASSES, PATCH, tiny_images
from torch import nn

from cite.attribution import METHODS, explain, explain_classes
from cite.attribution.explaining import class_probabilities
from cite.attribution.methods import gradients
from cite.attribution.passes import entering, onwards
from cite.errors import ConfigError, DataError, ModelError

BY_CLASS = ['scores', 'gradcam', 'gradients']
ALL = [*BY_CLASS, 'rollout']
PROMPT = {'type': 'VisualPrompt', 'length': 3, 'init': 'token'}


def image(side=32, seed=1):
    return (tiny_images(1, side, seed)[0] * 255).byte()


def blocks(side=32, cells=4, seed=3):
    """An image whose patches have one colour each, so that turning it turns no patch."""
    colours = torch.rand(3, cells, cells, generator=torch.Generator().manual_seed(seed)) * 255
    return colours.byte().repeat_interleave(side // cells, 1).repeat_interleave(side // cells, 2)


def alike(one, other):
    return np.corrcoef(one.grid.ravel(), other.grid.ravel())[0, 1]


def test_the_registry_knows_all():
    assert METHODS.names() == sorted(ALL)
    with pytest.raises(ConfigError, match=r"no attribution method called 'gradcm'.*Did you mean"):
        explain(model_of('class token'), image(), method='gradcm')


@pytest.mark.parametrize('kind', [*KINDS, WHOLE])
@pytest.mark.parametrize('method', BY_CLASS)
def test_every_kind_of_tower_is_explained_or_says_what_can_be_done(kind, method, monkeypatch):
    monkeypatch.setattr(gradients, 'STEPS', (4,))  # it need not be exact here
    model, side = model_of(kind), 64 if kind == WHOLE else sides(kind)[0]
    if kind == WHOLE and method != 'gradients':
        with pytest.raises(ModelError, match=r"not taken apart.*'gradients' works"):
            explain(model, image(side), method=method)
        return
    maps = explain_classes(model, image(side), CLASSES, method)
    assert [one.class_name for one in maps] == list(CLASSES)
    for one in maps:
        assert one.values.shape == (side, side) and one.values.dtype == np.float32
        assert np.isfinite(one.values).all() and one.size == (side, side)
        if method != 'gradients':
            assert one.grid.shape == (sides(kind)[1],) * 2
    assert not np.allclose(maps[0].grid, maps[1].grid)


@pytest.mark.parametrize('head', ['LinearHead', None], ids=['linear', 'text'])
@pytest.mark.parametrize('method', ALL)
def test_nothing_about_the_model_changes(method, head):
    """Not even a prompt that waits for its first batch; the mode is kept as well."""
    model = model_of('class token', PROMPT, head).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    frozen = {key: value.clone() for key, value in model.backbone.trunk.named_parameters()}
    trains = {name: p.requires_grad for name, p in model.named_parameters()}
    first = explain(model, image(), 'poor', method)
    again = explain(model, image(), 'poor', method)
    assert np.array_equal(first.values, again.values)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    now = dict(model.backbone.trunk.named_parameters())
    assert all(torch.equal(value, now[key]) for key, value in frozen.items())
    assert trains == {name: p.requires_grad for name, p in model.named_parameters()}
    assert all(p.grad is None for p in model.parameters())
    assert model.training and model.backbone.tuning._pending
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert not module._backward_hooks


@pytest.mark.parametrize('method', ALL)
def test_other_weights_give_another_map(method):
    """Adebayo et al., 'Sanity checks for saliency maps' (NeurIPS 2018): the model's weights decide."""
    model = model_of('no class token')
    maps = [explain(model, image(), 'poor', method)]
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        with torch.no_grad():
            for value in [*model.backbone.trunk.parameters(), *model.neck.parameters()]:
                nn.init.normal_(value, std=0.2)
        maps.append(explain(model, image(), 'poor', method))
    assert max(abs(alike(maps[0], other)) for other in maps[1:]) < 0.8


@pytest.mark.parametrize('method', ALL)
def test_other_weights_in_the_head_matter_where_a_class_is_explained(method):
    model = model_of('no class token')
    before = explain(model, image(), 'poor', method)
    with torch.no_grad():
        model.head.anchors.copy_(torch.randn_like(model.head.anchors))
    after = explain(model, image(), 'poor', method)
    assert (alike(before, after) > 0.999) == (method == 'rollout')


@pytest.mark.parametrize('method', ALL)
def test_a_turned_image_has_a_turned_map(method):
    """Of a model that knows no places: without positional embeddings, nor a direction within a patch."""
    model = model_of('no class token')
    with torch.no_grad():
        model.backbone.trunk.pos_embed.zero_()
    straight = explain(model, blocks(), 'poor', method)
    assert np.ptp(straight.grid) > 1e-4
    for turn in (lambda t: t.flip(-1), lambda t: t.flip(-2), lambda t: t.rot90(1, (-2, -1))):
        turned = explain(model, turn(blocks()).contiguous(), 'poor', method)
        expected = turn(torch.from_numpy(straight.grid)).numpy()
        np.testing.assert_allclose(turned.grid, expected, rtol=1e-3, atol=1e-5)


@pytest.fixture(scope='module')
def planted():
    """A linear probe that is trained to find one dark square of a patch's size on light noise."""
    model = model_of('no class token', head='LinearHead')
    with torch.no_grad():
        model.backbone.trunk.pos_embed.mul_(0.2)
    images, places = squares(300)
    with torch.no_grad():
        features = model.backbone(images).numpy()
    found = np.array([0 if place is None else 1 for place in places])
    probe = LogisticRegression(C=0.01, max_iter=2000).fit(features, found)
    assert probe.score(features, found) > 0.95
    with torch.no_grad():
        model.head.fc.weight[:2].copy_(torch.from_numpy(np.vstack([-probe.coef_, probe.coef_])))
        model.head.fc.weight[2].zero_()
        model.head.fc.bias.zero_()
    return model


def squares(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = 0.75 + 0.25 * torch.rand(count, 3, 32, 32, generator=generator)
    places = []
    for number in range(count):
        row, column = torch.randint(4, (2,), generator=generator).tolist()
        if number % 2:
            y, x = row * PATCH, column * PATCH
            images[number, :, y : y + PATCH, x : x + PATCH] *= 0.3
        places.append((row, column) if number % 2 else None)
    return images, places


@pytest.mark.parametrize('method', BY_CLASS)
def test_what_decides_a_class_is_where_the_map_is(planted, method):
    images, places = squares(20, seed=7)
    right = []
    for number in range(1, 20, 2):
        pixels = (images[number] * 255).byte()
        found = explain(planted, pixels, 'moderate', method)
        place = np.unravel_index(found.grid.argmax(), found.grid.shape)
        right.append(place == places[number])
        against = explain(planted, pixels, 'well', method)
        assert against.grid[places[number]] < found.grid[places[number]]
    assert np.mean(right) > 0.9


def test_the_score_maps_of_a_linear_head_on_a_mean_add_up_to_the_logits():
    """CAM: the mean over places is the image's own logit."""
    for kind in ('mean of normed tokens', 'resnet'):
        model = model_of(kind, head='LinearHead')
        pixels = image(sides(kind)[0])
        with torch.no_grad():
            logits = model(pixels[None])[0].numpy()
        maps = explain_classes(model, pixels, CLASSES)
        assert maps[0].unit == 'logit'
        means = [one.grid.mean() for one in maps]
        np.testing.assert_allclose(means, logits, rtol=1e-4, atol=1e-4)


def test_the_score_maps_of_a_text_head_are_cosines():
    model = model_of('class token')
    maps = explain_classes(model, image(), CLASSES)
    assert maps[0].unit == 'cosine' and not maps[0].signed
    tower = model.backbone
    with torch.no_grad():
        images = tower.normalise(image()[None])
        token = entering(tower, images, tower.depth)[:, 6]  # the second row's second patch
        in_place_of_the_class_token = torch.stack([token, token], 1)
        feature = model.neck(onwards(tower, in_place_of_the_class_token, tower.depth, images))
        cosines = nn.functional.cosine_similarity(feature, model.head.anchors).numpy()
    np.testing.assert_allclose([one.grid[1, 1] for one in maps], cosines, atol=1e-5)


def test_a_contrast_is_the_difference_to_the_mean_of_the_others():
    model = model_of('class token')
    raw = np.stack([one.grid for one in explain_classes(model, image(), CLASSES)])
    (found,) = explain_classes(model, image(), ['well'], contrast=True)
    assert found.signed and found.about['contrast']
    np.testing.assert_allclose(found.grid, raw[0] - raw[1:].mean(0), atol=1e-6)


@pytest.mark.parametrize('contrast', [False, True])
@pytest.mark.parametrize('head', ['LinearHead', None], ids=['linear', 'text'])
def test_integrated_gradients_are_complete(head, contrast):
    """Their sum is the patch's logit minus that of a white one (Sundararajan et al., axiom 1)."""
    model = model_of('no class token', {**PROMPT, 'init': 'normal'}, head)
    pixels = image()
    found = explain(model, pixels, 'poor', 'gradients', contrast)
    with torch.no_grad():
        logits = model(torch.stack([pixels, torch.full_like(pixels, 255)]))
    if contrast:
        logits = logits[:, 2] - logits[:, :2].mean(1)
    else:
        logits = logits[:, 2]
    difference = (logits[0] - logits[1]).item()
    assert abs(difference) > 0.05
    assert found.grid.sum() == pytest.approx(difference, rel=0.02, abs=0.01)
    assert found.about['difference'] == pytest.approx(difference, rel=1e-4)
    assert found.about['error'] == pytest.approx(found.grid.sum() - difference, abs=1e-4)
    assert 'inexact' not in found.about


def test_steps_are_added_until_the_sum_is_right(monkeypatch):
    model = model_of('no class token')
    monkeypatch.setattr(gradients, 'STEPS', (1, 2, 8, 12))
    monkeypatch.setattr(gradients, 'TOLERANCE', 0.001)
    found = explain(model, image(), 'poor', 'gradients').about
    assert found['steps'] == 8 and 'inexact' not in found
    monkeypatch.setattr(gradients, 'TOLERANCE', 0)
    found = explain(model, image(), 'poor', 'gradients').about
    assert found['steps'] == 12 and found['inexact']


def test_the_map_is_of_the_most_probable_class_unless_one_is_named():
    model = model_of('class token')
    probabilities = class_probabilities(model, image())
    with torch.no_grad():
        np.testing.assert_allclose(probabilities, model(image()[None]).softmax(1)[0], atol=1e-5)
    found = explain(model, image())
    assert found.class_name == CLASSES[int(np.argmax(probabilities))]
    assert found.probability == pytest.approx(max(probabilities))


def test_mistakes_are_told(tmp_path, monkeypatch):
    model = model_of('class token')
    with pytest.raises(ConfigError, match="no class 'wel'; the model has: well; moderate; poor"):
        explain(model, image(), 'wel')
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no picture')
    with pytest.raises(DataError, match=r'broken\.png'):
        explain(model, broken)
    monkeypatch.setitem(sys.modules, 'captum', None)
    for method in ('gradcam', 'gradients'):
        with pytest.raises(ConfigError, match=r"pip install 'cite-pathology\[attribution\]'"):
            explain(model, image(), method=method)
