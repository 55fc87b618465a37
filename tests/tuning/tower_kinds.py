"""Small random towers of every kind of architecture, and what every tuning must do in them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tiny_clip import save_tiny_clip
from tiny_language_models import save_language_model
from tiny_models import save_tiny_bert, tiny_card, tiny_images, tiny_trunk
from torch import Tensor, nn

from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.text.tower import TextTower
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.frozen import trainable
from cite.tuning import build_tuning

Tower = VisionTower | TextTower
Make = Callable[[], Tower]

TEXTS = ['gland', 'of the gland']
TEXT = ('bert', 'clip', 'biogpt', 'llama', 'gpt2', 't5')
_SWIN = {'patch_size': 4, 'embed_dim': 16, 'depths': (1, 2), 'num_heads': (2, 2), 'window_size': 4}
_DENSE = {'block_config': (1, 2, 1), 'growth_rate': 8}
_ROWS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    'swin': ('Swin', 'swin_tiny_patch4_window7_224', {**_SWIN, 'num_classes': 0}, 32),
    'internimage': ('InternImage', 'internimage', {'channels': 16, 'depths': (1, 2)}, 48),
    'resnet': ('ConvNet', 'test_resnet', {'num_classes': 0}, 96),
    'densenet': ('ConvNet', 'densenet121', {**_DENSE, 'num_classes': 0}, 22),
    'convnext': ('AnyModel', 'test_convnext', {'num_classes': 0}, 64),
}
VISION = ('vit', 'layerscale', *_ROWS)
DEPTHS = {'vit': 3, 'layerscale': 3, 'swin': 3, 'internimage': 3, 'resnet': 4, 'densenet': 5}
"""Blocks of each vision tower; text towers have two."""


def vision(kind: str, tuning: Any = None) -> VisionTower:
    """For images of 32 × 32 (plain transformers) or 64 × 64 pixels, random in every weight."""
    if kind in ('vit', 'layerscale'):
        scaled = {'init_values': 0.1, 'no_embed_class': True} if kind == 'layerscale' else {}
        return VisionTower(tiny_card(), tiny_trunk(**scaled), build_tuning(tuning))
    tower, arch, kwargs, dim = _ROWS[kind]
    row = tiny_card('pool', dim, arch_kwargs=kwargs, patch_size=32, image_size=64)
    row = replace(row, arch=arch, tower=tower)
    trunk = random_trunk(row, 64).eval()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for value in trunk.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return VisionTower(row, trunk, build_tuning(tuning))


class Towers:
    """Makes towers by kind, each anew: `towers('bert', tuning)`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._encoders: dict[str, Any] = {}

    def __call__(self, kind: str, tuning: Any = None, seed: int = 5) -> Tower:
        torch.manual_seed(seed)
        return vision(kind, tuning) if kind in VISION else self._encoder(kind).tower(tuning)

    def maker(self, kind: str, tuning: Any = None) -> Make:
        return lambda: self(kind, copy.deepcopy(tuning))

    def _encoder(self, kind: str) -> Any:
        if kind not in self._encoders:
            folder = self._folder / kind
            if kind == 'clip':
                encoder: Any = CLIPTextEncoder(str(save_tiny_clip(folder)))
            elif kind == 'bert':
                encoder = TextEncoder(str(save_tiny_bert(folder)), 'cls')
            else:
                encoder = TextEncoder(str(save_language_model(folder, kind)), 'mean')
            self._encoders[kind] = encoder
        return self._encoders[kind]


def features(tower: Tower) -> Tensor:
    """Of two images, or two texts."""
    if isinstance(tower, VisionTower):
        found: Tensor = tower(tiny_images(side=tower.image_size))
    else:
        found = tower(tower.tokenize(TEXTS))
    return found


def step(tower: Tower, lr: float = 1e-2) -> dict[str, Tensor]:
    """One step on a made-up loss, no weight further than `lr`; returns the gradients by name."""
    weights = trainable(tower)
    tower.zero_grad()
    out = features(tower).float()
    target = torch.linspace(-1, 1, out.numel()).view_as(out)
    (out - target).square().mean().backward()
    grads = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
    with torch.no_grad():
        for name, grad in grads.items():
            weights[name] -= lr * grad / grad.abs().max().clamp(min=1e-12)
    return grads


def size(tower: nn.Module) -> int:
    """How many weights train."""
    return sum(weight.numel() for weight in trainable(tower).values())


def check_trains(tower: Tower) -> None:
    """The formula counts what trains; gradients reach all of that; nothing else changes."""
    assert tower.tuning.trained_parameters(tower) == size(tower) > 0
    tower.train()
    frozen = {n: p.clone() for n, p in tower.named_parameters() if not p.requires_grad}
    if not tower.tuning.trains_all:
        frozen.update({n: b.clone() for n, b in tower.trunk.named_buffers()})
    for _ in range(2):  # what ends in zeros lets gradients through from the second step on
        grads = step(tower)
    assert grads.keys() == trainable(tower).keys()
    assert not [name for name, grad in grads.items() if not grad.any()]
    after = {**dict(tower.named_parameters()), **dict(tower.trunk.named_buffers())}
    assert all(torch.equal(value, after[name]) for name, value in frozen.items())
    assert tower.frozen_stands()
    assert all(tower.tuning.owns(name) for name in trainable(tower))


def check_state(make: Make) -> None:
    """A state dict holds what trains and brings it back into a tower made anew."""
    tower = make()
    trunk = make().trunk.state_dict()
    step(tower)
    step(tower)
    state = {name: value.clone() for name, value in tower.state_dict().items()}
    assert trainable(tower).keys() <= state.keys()
    buffers = {name for name, _ in tower.named_buffers()}
    assert state.keys() - trainable(tower).keys() <= buffers
    tower.eval()
    other = make().eval()
    assert other.digest == tower.digest
    with torch.no_grad():
        assert not torch.allclose(features(other), features(tower), atol=1e-5)
        other.load_state_dict(state, strict=True)
        assert torch.equal(features(other), features(tower))
        assert torch.equal(features(copy.deepcopy(tower)), features(tower))
    assert make().trunk.state_dict().keys() == trunk.keys()


def check_autocast(make: Make) -> None:
    """Under bf16 autocast trained weights and gradients stay float32, and the feature is about right."""
    tower = make().train()
    step(tower)
    exact = features(tower).detach()
    with torch.autocast('cpu', torch.bfloat16):
        rough = features(tower).float().detach()
        grads = step(tower)
    assert {grad.dtype for grad in grads.values()} == {torch.float32}
    assert {weight.dtype for weight in trainable(tower).values()} == {torch.float32}
    assert ((rough - exact).norm() / exact.norm()) < 0.1


def fit(
    tower: VisionTower, steps: int = 40, lr: float = 1e-2, seed: int = 0
) -> tuple[float, float]:
    """Trains a tower with a fixed random linear head on two made-up classes (stripes across and down).

    The head does not train: whatever is learned is learned by the tuning.

    Returns:
        Loss at the start and at the end.
    """
    side = tower.image_size
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(16) % 2
    stripes = (torch.arange(side) // 4 % 2).float()
    across, down = stripes[:, None].expand(side, side), stripes[None].expand(side, side)
    images = torch.stack([down if label else across for label in labels])[:, None].repeat(
        1, 3, 1, 1
    )
    images = (images + 0.3 * torch.rand(images.shape, generator=generator)).clamp(0, 1)
    head = torch.randn(tower.feature_dim, 2, generator=generator) / tower.feature_dim**0.5
    optimiser = torch.optim.Adam(trainable(tower).values(), lr=lr)
    losses = []
    tower.train()
    for _ in range(steps):
        features = nn.functional.layer_norm(tower(images), (tower.feature_dim,))
        loss = nn.functional.cross_entropy(features @ head, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses[0], losses[-1]
