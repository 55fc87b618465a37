"""Towers of several kinds, and every method that PEFT puts into them, in small sizes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import timm
import torch
from tiny_models import save_tiny_bert, tiny_card, tiny_images, tiny_tower, tiny_trunk
from torch import Tensor, nn

from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.tower import TextTower
from cite.encoders.towers.swin import Swin
from cite.encoders.towers.tower import VisionTower
from cite.frozen import trainable
from cite.tuning import TUNINGS, build_tuning

METHODS: dict[str, dict[str, Any]] = {
    'LoRA': {'r': 2},
    'RsLoRA': {'r': 4},
    'DoRA': {'r': 2},
    'AdaLoRA': {'r': 3},
    'LoHa': {'r': 2},
    'LoKr': {'r': 2},
    'OFT': {'block_size': 8},
    'BOFT': {'block_size': 2, 'factors': 2},
    'VeRA': {'r': 5},
    'IA3': {},
    'LNTuning': {},
    'FourierFT': {'n': 30},
    'HRA': {'r': 2},
}
TEXTS = ['well tubular gland', 'gland', 'poorly of the stomach']
SIDE = 64
SWIN = {'patch_size': 4, 'embed_dim': 16, 'depths': (2, 1), 'num_heads': (2, 2), 'window_size': 4}


def spec_of(method: str, **options: Any) -> dict[str, Any]:
    return {'type': method, **METHODS[method], **options}


def _drawn(trunk: nn.Module) -> nn.Module:
    """Random in every weight and statistic, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _draw(trunk)


def _draw(trunk: nn.Module) -> nn.Module:
    for name, value in trunk.named_parameters():
        norm = value.ndim == 1 and name.endswith('weight')
        nn.init.normal_(value, mean=float(norm), std=0.2 if value.ndim < 3 else 0.1)
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return trunk.eval()


def _vit(tuning: Any) -> VisionTower:
    return tiny_tower(build_tuning(tuning))


def _dino(tuning: Any) -> VisionTower:
    return tiny_tower(build_tuning(tuning), tiny_trunk(reg_tokens=2, init_values=0.1, depth=2))


def _swin(tuning: Any) -> VisionTower:
    sizes = {'feature': 'pool', 'feature_dim': 32, 'patch_size': 8, 'image_size': SIDE}
    card = tiny_card(arch_kwargs={**SWIN, 'num_classes': 0}, **sizes)
    card = replace(card, arch='swin_tiny_patch4_window7_224', tower='Swin')
    return VisionTower(card, _drawn(Swin.build(card, SIDE)), build_tuning(tuning))


def _resnet(tuning: Any) -> VisionTower:
    return convnet('test_resnet', tuning)


BIT = {'channels': (128, 128, 128, 128)}
"""Of 'resnetv2_50x1_bit', whose convolutions standardise their weights."""


def convnet(arch: str, tuning: Any, **kwargs: Any) -> VisionTower:
    kwargs = {'num_classes': 0, **kwargs}
    trunk = _drawn(timm.create_model(arch, **kwargs))
    sizes = {'feature_dim': trunk.num_features, 'patch_size': 32, 'image_size': SIDE}
    card = replace(tiny_card(feature='pool', **sizes), arch=arch, tower='ConvNet')
    return VisionTower(card, trunk, build_tuning(tuning))


@cache
def _loaded() -> TextTower:
    with TemporaryDirectory() as folder:
        return TextEncoder(str(save_tiny_bert(Path(folder) / 'bert')), 'cls').tower()


def _bert(tuning: Any) -> TextTower:
    tower = _loaded()
    made_of = (tower.name, tower.tokenizer, copy.deepcopy(tower.trunk), tower.pool)
    return TextTower(*made_of, tower.feature_dim, tower.limit, build_tuning(tuning))


TOWERS: dict[str, Callable[[Any], VisionTower | TextTower]] = {
    'vit': _vit,
    'dino': _dino,
    'swin': _swin,
    'resnet': _resnet,
    'bert': _bert,
}
CONVOLUTIONS = {method for method in METHODS if getattr(TUNINGS.get(method), 'convolutions', False)}
PAIRS = [
    (method, tower)
    for method in METHODS
    for tower in TOWERS
    if tower != 'resnet' or method in CONVOLUTIONS
]


def made(method: str, tower: str, seed: int = 5, **options: Any) -> Any:
    """A tower of that kind with that method at all of its layers; the same trunk each time."""
    if method != 'LNTuning':
        options = {'targets': 'conv' if tower == 'resnet' else 'attn+mlp', **options}
    return with_tuning(spec_of(method, **options), tower, seed)


def with_tuning(tuning: Any, tower: str, seed: int = 5) -> Any:
    """A tower of that kind; the seed is that of what the tuning draws, and of no other weight."""
    torch.manual_seed(seed)
    return TOWERS[tower](tuning)


def features(tower: VisionTower | TextTower) -> Tensor:
    if isinstance(tower, VisionTower):
        return tower(tiny_images(side=tower.image_size))
    return tower(tower.tokenize(TEXTS))


def moved(tower: nn.Module) -> Any:
    """The tower, trained weights off their start."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in trainable(tower).values():
            value += 0.1 * torch.randn(value.shape, generator=generator)
    return tower


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative error."""
    return ((found - expected).norm() / expected.norm()).item()
