"""Where the published code stops with an error, this one works (or says what is wrong in one line)."""

from __future__ import annotations

import json

import pytest
import torch
from golden import CLASSES, make_tower, tensors
from torch.nn import functional as F

from cite.anchors import Anchors
from cite.classifier import Classifier
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.heads import HEADS

LAYERS = {'[1]': [1], '[2]': [2], '[0, 2]': [0, 2], '[1, 2]': [1, 2]}


@pytest.fixture(scope='module')
def verified(parity):
    return json.loads(parity('quirks_verified.json').read_text(encoding='utf-8'))


@pytest.mark.parametrize('layers', LAYERS)
@pytest.mark.parametrize('position', ['prepend', 'add'])
@pytest.mark.parametrize('family', ['clip32', 'vit32'])
def test_prompts_enter_any_layers(parity, verified, family, position, layers):
    name = f'{"CLIP" if family == "clip32" else "ViT"} {position} {layers}'
    published = verified['prompt_layers_index'].get(name)
    assert published is None or published['raised'] == 'IndexError'
    tuning = {'type': 'VisualPrompt', 'layers': LAYERS[layers], 'position': position}
    tower = make_tower(parity, family, True, {**tuning, 'init': 'normal'})
    images = tensors(parity('inputs_32.npz'))['x'][0]
    tower(images).sum().backward()
    gradient = tower.tuning.prompt.grad
    assert gradient.shape[0] == len(LAYERS[layers])
    assert all(row.abs().max() > 0 for row in gradient)


def test_prompts_that_enter_no_layer_or_one_that_is_not_there_are_told(parity, verified):
    assert verified['prompt_layers_index']['CLIP prepend []']['raised'] == 'IndexError'
    with pytest.raises(ConfigError, match='layers must be'):
        make_tower(parity, 'clip32', True, {'type': 'VisualPrompt', 'layers': []})
    # the published code ignores a layer that is not there
    with pytest.raises(ConfigError, match=r'\[3\] are outside a tower of 3 blocks'):
        make_tower(parity, 'clip32', True, {'type': 'VisualPrompt', 'layers': [0, 3]})


def test_add_prompts_work_on_every_vision_transformer(parity, verified):
    assert verified['vit_prompt_pos_add_ignored']['requires_grad_of_output'] is False
    images = tensors(parity('inputs_32.npz'))['x'][0]
    spec = {'type': 'VisualPrompt', 'position': 'add', 'length': 4, 'init': 'normal'}
    prompted, plain = (make_tower(parity, 'vit32', False, tuning) for tuning in (spec, None))
    assert prompted(images).requires_grad
    assert not torch.allclose(prompted(images), plain(images))


def test_a_second_step_under_the_pairs_own_texts(parity, verified):
    assert verified['cliptexthead_second_backward']['step1']['raised'] == 'RuntimeError'
    anchors = Anchors(torch.randn(3, 64, generator=torch.Generator().manual_seed(0)), CLASSES)
    head = HEADS.build({'type': 'ZeroShotHead', 'texts': CLASSES, 'anchors': anchors})
    model = Classifier(
        make_tower(parity, 'clip32', True, {'type': 'VisualPrompt'}), None, head, CLASSES
    )
    inputs = tensors(parity('inputs_32.npz'))
    optimizer = torch.optim.SGD(trainable(model).values(), lr=0.01)
    losses = []
    for images, labels in zip(inputs['x'], inputs['y'], strict=True):
        optimizer.zero_grad()
        losses.append(F.cross_entropy(model(images), labels))
        losses[-1].backward()
        optimizer.step()
    assert len(losses) == 5 and all(loss.isfinite() for loss in losses)


def test_a_vision_transformer_feeds_a_text_head_without_a_neck(parity, verified):
    assert verified['texthead_tuple_input']['raised'] == 'AttributeError'
    anchors = Anchors(torch.randn(3, 96, generator=torch.Generator().manual_seed(0)), CLASSES)
    head = HEADS.build({'type': 'TextEmbeddingHead', 'texts': CLASSES, 'anchors': anchors})
    model = Classifier(make_tower(parity, 'vit32', False, None), None, head, CLASSES)
    assert model(tensors(parity('inputs_32.npz'))['x'][0]).shape == (6, 3)


def test_clip_takes_images_of_another_size(parity, verified):
    assert verified['image_size_fixed_for_clip']['clip']['raised'] == 'RuntimeError'
    tower = make_tower(parity, 'clip32', True, None, side=48)
    assert tower(tensors(parity('inputs_48.npz'))['x']).shape == (4, 64)
