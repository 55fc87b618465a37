from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import (
    CLASSES,
    DEPTH,
    PATCHES,
    SIDE,
    WIDTH,
    text_head,
    tiny_classifier,
    tiny_images,
    tiny_tower,
    tiny_trunk,
)
from torch import Tensor, nn

from cite.encoders.towers.tower import VisionTower
from cite.errors import DataError, ModelError
from cite.frozen import trainable

PROMPT = {'type': 'VisualPrompt', 'length': 2, 'init': 'normal'}
TRUNKS = {
    'clip': (
        'vit_base_patch32_clip_quickgelu_224',
        {'num_classes': 20},
        {'feature': 'projection', 'feature_dim': 20},
    ),
    'dinov2': ('vit_small_patch14_dinov2', {}, {}),
    'dinov2-registers': ('vit_small_patch14_reg4_dinov2', {}, {}),
    'average': ('vit_tiny_patch16_224', {'global_pool': 'avg'}, {'feature': 'pool'}),
    'map': (
        'vit_tiny_patch16_224',
        {'global_pool': 'map', 'class_token': False},
        {'feature': 'pool'},
    ),
    'plain': ('vit_tiny_patch16_224', {}, {}),
}


def normalised(tower: VisionTower, images: Tensor) -> Tensor:
    mean, std = torch.tensor(tower.card.mean), torch.tensor(tower.card.std)
    return (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)


@pytest.mark.parametrize('kind', TRUNKS)
def test_equals_timms_own_forward(kind):
    arch, kwargs, card = TRUNKS[kind]
    trunk = tiny_trunk(arch, **kwargs)
    tower = tiny_tower(trunk=trunk, **card)
    images = tiny_images()
    with torch.no_grad():
        torch.testing.assert_close(tower(images), trunk(normalised(tower, images)))
    assert tower(images).shape == (2, tower.feature_dim)


@pytest.mark.parametrize('kind', TRUNKS)
def test_prompts_are_taken_out_before_pooling(kind):
    arch, kwargs, card = TRUNKS[kind]
    tower = tiny_tower(PROMPT, tiny_trunk(arch, **kwargs), **card)
    seen: list[Tensor] = []
    tower.trunk.norm.register_forward_hook(lambda *args: seen.append(args[1][0]))
    tower(tiny_images())
    assert seen[0].shape == (2, tower.num_prefix_tokens + PATCHES, WIDTH)


def test_uint8_and_float_images_are_normalised_alike():
    tower = tiny_tower()
    whole = (tiny_images() * 255).to(torch.uint8)
    torch.testing.assert_close(tower(whole), tower(whole / 255))
    expected = tower.trunk(normalised(tower, whole / 255))
    torch.testing.assert_close(tower(whole), expected)


@pytest.mark.parametrize(
    ('images', 'named'),
    [
        (torch.rand(2, 3, 40, 40), '32 × 32'),
        (torch.rand(2, 1, SIDE, SIDE), r'\(2, 1, 32, 32\)'),
        (torch.rand(3, SIDE, SIDE), r'\(B, 3, H, W\)'),
        (torch.zeros(2, 3, SIDE, SIDE, dtype=torch.int64), 'int64'),
    ],
)
def test_refuses_other_images(images, named):
    with pytest.raises(ModelError, match=named):
        tiny_tower()(images)


def test_frozen_trunk_stays_in_eval_mode():
    trunk = tiny_trunk(drop_rate=0.5, proj_drop_rate=0.5, drop_path_rate=0.5)
    tower = tiny_tower(PROMPT, trunk)
    model = nn.Sequential(tower).train()
    assert tower.training
    assert tower.tuning.training
    assert not any(module.training for module in trunk.modules())
    torch.testing.assert_close(model(tiny_images()), model(tiny_images()))


def test_full_fine_tuning_trains_with_dropout():
    trunk = tiny_trunk(proj_drop_rate=0.5)
    tower = tiny_tower({'type': 'FullFineTuning'}, trunk).train()
    assert trunk.training
    assert not torch.equal(tower(tiny_images()), tower(tiny_images()))
    tower.eval()
    torch.testing.assert_close(tower(tiny_images()), tower(tiny_images()))


class Recorder:
    """What enters each block, and the size of everything autograd keeps."""

    def __init__(self, tower: VisionTower) -> None:
        self.entering: list[bool] = []
        self.saved = 0
        for block in tower.blocks:
            block.register_forward_pre_hook(
                lambda _, args: self.entering.append(args[0].requires_grad)
            )

    def run(self, tower: VisionTower) -> Tensor:
        def pack(tensor: Tensor) -> Tensor:
            if not isinstance(tensor, nn.Parameter):
                self.saved += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            return tower(tiny_images())


@pytest.mark.parametrize(
    ('tuning', 'entering'),
    [
        (None, [False, False, False]),
        ({**PROMPT, 'layers': 0}, [True, True, True]),
        ({**PROMPT, 'layers': 1}, [False, True, True]),
        ({**PROMPT, 'layers': [2]}, [False, False, True]),
        ({**PROMPT, 'layers': [2], 'position': 'add'}, [False, False, True]),
        ({'type': 'FullFineTuning'}, [True, True, True]),
    ],
)
def test_no_graph_in_front_of_the_first_trained_stage(tuning, entering):
    tower = tiny_tower(tuning).train()
    recorder = Recorder(tower)
    features = recorder.run(tower)
    assert recorder.entering == entering
    assert features.requires_grad == any(entering)
    if not any(entering):
        assert recorder.saved == 0


def test_activations_are_saved_only_behind_the_prompt():
    saved = []
    for layer in range(DEPTH):
        tower = tiny_tower({**PROMPT, 'layers': layer}).train()
        recorder = Recorder(tower)
        recorder.run(tower)
        saved.append(recorder.saved)
    assert saved[0] > saved[1] > saved[2] > 0
    assert saved[2] < 0.5 * saved[0]


TUNINGS = {
    'none': None,
    'shallow': PROMPT,
    'deep': {**PROMPT, 'layers': 'deep'},
    'last': {**PROMPT, 'layers': -1, 'position': 'add'},
    'token': {'type': 'VisualPrompt'},
    'full': {'type': 'FullFineTuning'},
}
HEADS = {
    'text': ({'type': 'ProjectionNeck'}, lambda: text_head()),
    'temperature': ({'type': 'ProjectionNeck'}, lambda: text_head(learnable_temperature=True)),
    'linear': (None, lambda: {'type': 'LinearHead'}),
    'linear-neck': ({'type': 'ProjectionNeck', 'out_features': 7}, lambda: {'type': 'LinearHead'}),
}


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('tuning', TUNINGS)
def test_gradients_reach_every_trained_weight_and_no_other(tuning, head):
    neck, make = HEADS[head]
    model = tiny_classifier(TUNINGS[tuning], neck, make()).train()
    tower = model.backbone
    before = tower.frozen_digest()
    weights = trainable(model)
    optimizer = torch.optim.SGD(weights.values(), lr=0.1)
    logits = model(tiny_images(3))
    nn.functional.cross_entropy(logits, torch.arange(len(CLASSES))).backward()
    for name, value in model.named_parameters():
        if name in weights:
            assert value.grad is not None, name
            assert value.grad.abs().sum() > 0, name
        else:
            assert value.grad is None, name
    optimizer.step()
    assert (tower.frozen_digest() == before) == (tuning != 'full')
    assert tower.digest == before


@pytest.mark.parametrize('tuning', ['none', 'deep', 'token'])
def test_state_dict_holds_no_frozen_weight_and_loads_strictly(tuning):
    model = tiny_classifier(TUNINGS[tuning], {'type': 'ProjectionNeck'}, text_head())
    nested = nn.ModuleDict({'module': nn.Sequential(nn.Linear(2, 2), model)})
    for owner in (model.backbone, model, nested):
        state = owner.state_dict()
        assert not [name for name in state if 'trunk' in name]
        incompatible = owner.load_state_dict(state, strict=True)
        assert incompatible.missing_keys == []
    prefix = 'module.1.backbone.'
    assert {n.removeprefix(prefix) for n in nested.state_dict() if n.startswith(prefix)} == set(
        model.backbone.state_dict()
    )


def test_a_missing_trained_weight_is_still_an_error():
    model = nn.Sequential(tiny_tower(PROMPT))
    state = model.state_dict()
    del state['0.tuning.prompt']
    with pytest.raises(RuntimeError, match=r'0\.tuning\.prompt'):
        model.load_state_dict(state, strict=True)


def test_full_fine_tuning_saves_all_and_keeps_the_pretrained_digest():
    frozen, tower = tiny_tower(), tiny_tower({'type': 'FullFineTuning'})
    pretrained = frozen.digest
    assert tower.digest == pretrained
    with torch.no_grad():
        for value in tower.trunk.parameters():
            value.mul_(1.5)
    assert tower.digest == pretrained
    assert tower.frozen_digest() != pretrained
    state = tower.state_dict()
    assert {n for n in state if n.startswith('trunk.')} == {
        f'trunk.{n}' for n in tower.trunk.state_dict()
    }
    again = tiny_tower({'type': 'FullFineTuning'})
    again.load_state_dict(state, strict=True)
    torch.testing.assert_close(again(tiny_images()), tower(tiny_images()))
    assert again.digest == pretrained
    del state['trunk.norm.weight']
    with pytest.raises(RuntimeError, match=r'trunk\.norm\.weight'):
        again.load_state_dict(state, strict=True)


def test_digest_is_of_the_weights_alone():
    one = tiny_tower()
    assert tiny_tower(PROMPT, mean=(0.1, 0.1, 0.1)).digest == one.digest
    assert tiny_tower(trunk=tiny_trunk(seed=1)).digest != one.digest


def test_encode_images_takes_paths_pictures_arrays_and_tensors(tmp_path: Path):
    tower = tiny_tower(PROMPT).train()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 50, 3), dtype=np.uint8)
    paths = []
    for index, array in enumerate(pixels):
        paths.append(tmp_path / f'{index}.png')
        Image.fromarray(array).save(paths[-1])
    features = tower.encode_images(paths, batch_size=2)
    assert features.shape == (5, WIDTH)
    assert features.dtype == np.float32
    assert tower.training
    for images in (
        (str(path) for path in paths),
        [Image.fromarray(array) for array in pixels],
        list(pixels),
        pixels,
    ):
        np.testing.assert_allclose(tower.encode_images(images), features, rtol=1e-4, atol=1e-5)
    one = tower.encode_images(paths[3])
    np.testing.assert_allclose(one, features[3:4], rtol=1e-4, atol=1e-5)
    assert tower.encode_images([]).shape == (0, WIDTH)


def test_encode_images_leaves_the_mode_as_it_was_after_an_error():
    tower = tiny_tower().train()
    with pytest.raises(DataError, match='no such file'):
        tower.encode_images(['nowhere.png'])
    assert tower.training


def test_sizes_are_those_of_the_trunk():
    tower = tiny_tower(trunk=tiny_trunk('vit_small_patch14_reg4_dinov2'))
    assert (tower.width, tower.depth, tower.num_prefix_tokens) == (WIDTH, DEPTH, 5)
    assert (tower.num_patches, tower.image_size) == (PATCHES, SIDE)
    assert len(tower.blocks) == DEPTH
