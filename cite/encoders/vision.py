"""A model's name → a frozen vision tower with its weights."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cite.encoders.card import Card
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.checkpoints.feed_forward import settle_feed_forward
from cite.encoders.files.sources import resolve_weights
from cite.encoders.files.state_file import read_parts, read_state
from cite.encoders.towers.stages import STAGES, Stages
from cite.encoders.towers.tower import VisionTower
from cite.encoders.undrawn import Undrawn
from cite.encoders.zoo import get_card
from cite.errors import ConfigError, ModelError
from cite.tuning import Tuning, build_tuning

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

RANDOM_SEED = 2023
"""Random towers are the same at every start, so that adapters of theirs can be loaded; not on every kind of
processor, since PyTorch draws in the width of its vectors."""
RANDOM_GAIN = 6.0


def load_vision(
    model: str,
    weights: str | Path | None = None,
    pretrained: bool = True,
    image_size: int | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    tuning: Mapping[str, Any] | Sequence[Any] | str | Tuning | None = None,
) -> VisionTower:
    """Builds a vision tower.

    Args:
        model: Zoo name ('clip-vit-b16'), timm name ('timm:vit_small_patch16_224.dino'), hub id
            ('hf-hub:…'), or a local folder in timm's layout.
        weights: File with the weights, in any layout that `cite.encoders.checkpoints` knows. By
            default they come from the hub's cache or the hub.
        pretrained: False gives random weights from a fixed seed, for tests.
        image_size: Side of the square input in pixels; default: the card's. Positional embeddings are
            interpolated as the model's authors do it.
        mean, std: Normalisation other than the card's, of RGB in 0…1.
        tuning: What trains inside: `dict(type='VisualPrompt', …)`, several in a list, or nothing.

    Raises:
        ModelError: An unknown model, weights that cannot be had, or an image size that does not fit.
        ConfigError: A mean or std that is not three numbers, or an unknown tuning.
        CheckpointError: Weights with a missing, unexpected or misshapen tensor.
    """
    card = get_card(model)
    if mean is not None or std is not None:
        card = replace(card, mean=_rgb('mean', mean or card.mean), std=_rgb('std', std or card.std))
    size = image_size or card.image_size
    _check_size(card, size)
    if not pretrained and weights is not None:
        raise ConfigError(f'{card.name}: pretrained=False and weights={weights} exclude each other')
    published = card.source is not None or card.weights is not None
    # what cannot be had is told before anything is built
    found = resolve_weights(card, weights) if pretrained and (published or weights) else None
    trunk = random_trunk(card, size, found is None)
    if not published and found is None:
        _amplify(trunk)
    elif found is not None:
        logger.info('weights of %s: %s', card.name, found.path)
        parts = card.source.parts if card.source is not None and found.path.is_dir() else ()
        stored = read_parts(found.path, parts) if parts else read_state(found.path)
        settled = settle_feed_forward(card, stored)
        if settled is not card:
            card, trunk = settled, random_trunk(settled, size, False)
        state = to_timm(stored, trunk, card.pos_interp, card.leftovers)
        load_strict(trunk, state, f'{card.name} from {found.path}')
    return VisionTower(card, trunk.eval(), build_tuning(tuning))


def random_trunk(card: Card, image_size: int, drawn: bool = True) -> nn.Module:
    """A card's architecture for images of that side, with random weights from a fixed seed.

    Args:
        drawn: False leaves the weights undefined, for a strict loading that follows; buffers are right.

    Raises:
        ModelError: A size that the architecture does not take.
    """
    _check_size(card, image_size)
    stages: type[Stages] = STAGES.get(card.tower)
    undrawn = contextlib.nullcontext() if drawn else Undrawn()
    with torch.random.fork_rng(devices=[]), undrawn:
        torch.manual_seed(RANDOM_SEED)
        return stages.build(card, image_size)


def _check_size(card: Card, image_size: int) -> None:
    if image_size < card.patch_size or image_size % card.patch_size:
        raise ModelError(
            f'{card.name} cuts images into patches of {card.patch_size} pixels; image_size must be a '
            f'multiple of it, found {image_size}'
        )


@torch.no_grad()
def _amplify(trunk: nn.Module) -> None:
    """Makes a tower that is random by design worth probing.

    With timm's small initial weights every block is nearly the identity, and the feature is nearly
    linear in the pixels: the mean colour.
    """
    for name, parameter in trunk.named_parameters():
        if name.endswith('weight') and parameter.ndim >= 2:
            parameter.mul_(RANDOM_GAIN)


def _rgb(what: str, values: Sequence[float]) -> tuple[float, float, float]:
    lowest = 0 if what == 'mean' else 1e-6
    if len(values) != 3 or not all(lowest <= value <= 1 for value in values):
        raise ConfigError(f'{what} must be three numbers for RGB in 0…1, found {tuple(values)}')
    red, green, blue = values
    return red, green, blue
