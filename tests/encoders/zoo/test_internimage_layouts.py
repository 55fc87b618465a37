from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from internimage_reference import Reference
from layouts import check_refusals, shapes, synthetic, wrapped
from safetensors.torch import save_file
from torch import Tensor

import cite
from cite.encoders.checkpoints import find_family, internimage, load_strict, to_timm
from cite.encoders.files.state_file import unwrap
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS

LAYOUTS = (
    'internimage_t_1k_224',
    'internimage_b_1k_224',
    'internimage_l_22k_192to384',
    'hf_internimage_t_1k_224',
)
MODELS = {
    name: f'internimage-{name.removeprefix("hf_").split("_")[1]}' for name in LAYOUTS
}  # file → row
SIDE = 64


def as_hub(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the authors' `huggingface/convert.py` makes of their own names."""
    return {
        'model.' + key.replace('gamma1', 'layer_scale1').replace('gamma2', 'layer_scale2'): value
        for key, value in state.items()
    }


def shallow(monkeypatch: pytest.MonkeyPatch, model: str, depth: int) -> None:
    card = CARDS[model]
    depths = (depth,) * len(card.arch_kwargs['depths'])
    arch = {**card.arch_kwargs, 'depths': depths}
    monkeypatch.setitem(CARDS, model, replace(card, arch_kwargs=arch))


def written(name: str, state: Mapping[str, Tensor], folder: Path) -> Path:
    """As the authors do it: `torch.save` on their own site, safetensors in the model repositories."""
    if name.startswith('hf_'):
        path = folder / 'model.safetensors'
        save_file(dict(state), path)
    else:
        path = folder / f'{name}.pth'
        torch.save(wrapped(name, state), path)
    return path


def expected(state: Mapping[str, Tensor], tower: VisionTower, images: Tensor) -> Tensor:
    plain = {key.removeprefix('model.'): value.double() for key, value in state.items()}
    scale = tower.card.arch_kwargs.get('offset_scale', 1.0)
    normalised = (images.double() - tower.mean) / tower.std
    return Reference(plain, scale).features(normalised)


@pytest.mark.parametrize('name', LAYOUTS)
def test_published_layout_fills_the_model(name):
    card = CARDS[MODELS[name]]
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size)
    state = unwrap(wrapped(name, synthetic(name, device='meta')), name)
    assert find_family(state) is internimage
    load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), name)
    # the file holds the classifier besides, and nothing else
    stems = {key.removeprefix('model.') for key in shapes(name)}
    assert stems - trunk.state_dict().keys() == {'head.weight', 'head.bias'}


def test_names_of_the_hub_for_layer_scale():
    card = CARDS['internimage-b']
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size)
    state = as_hub(synthetic('internimage_b_1k_224', device='meta'))
    assert any('layer_scale2' in key for key in state)
    load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), 'hub')


def check_file(name: str, depth: int | None, folder: Path) -> None:
    """What is read from a file computes what its weights say; in float64, so that depth adds no noise."""
    state = synthetic(name, depth=depth)
    path = written(name, state, folder)
    tower = cite.load_vision(MODELS[name], weights=path, image_size=SIDE)
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = tower.double()(images.double())
        wanted = expected(state, tower, images)
        torch.testing.assert_close(features, wanted, rtol=1e-5, atol=1e-5)
    assert features.shape == (2, tower.feature_dim)
    assert features.std() > 0.01


@pytest.mark.parametrize('name', LAYOUTS)
def test_a_file_computes_what_its_weights_say(name, monkeypatch, tmp_path):
    shallow(monkeypatch, MODELS[name], 1)
    check_file(name, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('name', LAYOUTS[:3])
def test_at_full_depth(name, tmp_path):
    check_file(name, None, tmp_path)


@pytest.mark.parametrize('name', ['internimage_t_1k_224', 'hf_internimage_t_1k_224'])
def test_refuses_what_does_not_fit(name, monkeypatch, tmp_path):
    shallow(monkeypatch, MODELS[name], 1)

    def load(state: dict[str, Tensor]) -> VisionTower:
        path = written(name, state, tmp_path)
        return cite.load_vision(MODELS[name], weights=path, image_size=SIDE)

    check_refusals(load, synthetic(name, depth=1))
