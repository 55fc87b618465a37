"""Published files of vision towers: written as their authors write them, loaded as users load them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from layouts import check_refusals, layout, shapes, synthetic, wrapped
from safetensors.torch import save_file
from torch import Tensor

from cite.encoders.card import Card
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.files.state_file import unwrap
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS

FEW = 400_000_000
"""Parameters of a model that a test may load in full depth."""


def small_enough(name: str) -> bool:
    """Whether a layout's model may be loaded in full depth."""
    return sum(torch.Size(shape).numel() for shape in shapes(name).values()) < FEW


def short(name: str) -> int:
    """Blocks that a quick test builds: two, or one where they are very wide."""
    return 2 if small_enough(name) else 1


def write(folder: Path, name: str, state: dict[str, Tensor]) -> Path:
    """The state dict in the container and the format of that layout."""
    if 'safetensors' in layout(name)['published']:
        path = folder / 'model.safetensors'
        save_file(state, path)
    else:
        path = folder / 'weights.pth'
        torch.save(wrapped(name, state), path)
    return path


def shorten(patch: pytest.MonkeyPatch, model: str, depth: int | None) -> None:
    """Lets the zoo's row build only so many blocks, without timm's slow drawing of first weights."""
    kwargs = {} if depth is None else {'depth': depth}
    patch.setitem(CARDS, model, _changed(model, **kwargs))


def _changed(model: str, **kwargs: Any) -> Card:
    card = CARDS[model]
    more = {'weight_init': 'skip', **kwargs}
    return dataclasses.replace(card, arch_kwargs={**card.arch_kwargs, **more})


def feature(model: str, weights: Path, images: Tensor) -> Tensor:
    """What the zoo's model makes of images in 0…1 with that file."""
    with torch.no_grad():
        return load_vision(model, weights=weights, image_size=images.shape[-1])(images)


def random_images(side: int = 224) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))


def normalised(model: str, images: Tensor) -> Tensor:
    card = CARDS[model]
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (card.mean, card.std))
    return (images - mean) / std


def check_same(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    largest = float(expected.abs().max())
    assert largest > 0.05
    assert float((found - expected).abs().max()) < 1e-5 * largest


def check_full_size(name: str, model: str, named: str | None = None) -> None:
    """The layout fills the zoo's model of full size, and a damaged one is refused; without any weights.

    Args:
        named: As `check_refusals` takes it.
    """
    card = _changed(model)
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size)

    def load(state: dict[str, Tensor]) -> None:
        stored = unwrap(wrapped(name, state), name)
        converted = to_timm(stored, trunk, card.pos_interp, card.leftovers)
        load_strict(trunk, converted, name)

    state = synthetic(name, device='meta')
    load(state)
    check_refusals(load, state, named)
