"""Small random classifiers of every kind of tower, for the tests of maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tiny_models import CLASSES, DEPTH, PATCH, WIDTH, text_head, tiny_card, tiny_trunk
from torch import nn

from cite.classifier import Classifier
from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.heads import HEADS
from cite.necks import NECKS
from cite.tuning import build_tuning

NO_CLASS_TOKEN = {'class_token': False, 'global_pool': 'avg'}
VITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    'class token': ({}, {}),
    'no class token': (NO_CLASS_TOKEN, {}),
    'mean of normed tokens': ({**NO_CLASS_TOKEN, 'fc_norm': False}, {}),
    'registers and LayerScale': ({'arch': 'vit_small_patch14_reg4_dinov2'}, {}),
    'mean beside class token': ({}, {'feature': 'token+mean', 'feature_dim': 2 * WIDTH}),
    'latent pooling': ({**NO_CLASS_TOKEN, 'global_pool': 'map'}, {}),
}
_SWIN = {'patch_size': 4, 'embed_dim': 16, 'depths': (1, 2), 'num_heads': (2, 2), 'window_size': 4}
_DENSE = {'block_config': (1, 2, 1), 'growth_rate': 8}
OTHERS: dict[str, tuple[str, str, dict[str, Any], int, int]] = {
    'swin': ('Swin', 'swin_tiny_patch4_window7_224', _SWIN, 32, 8),
    'internimage': ('InternImage', 'internimage', {'channels': 16, 'depths': (1, 2)}, 48, 8),
    'resnet': ('ConvNet', 'test_resnet', {}, 96, 2),
    'densenet': ('ConvNet', 'densenet121', _DENSE, 22, 4),
}
"""Kind → tower, architecture, options, length of the feature, cells of a map's side."""
WHOLE = 'in one piece'
KINDS = [*VITS, 'attentional pooling', *OTHERS]
"""All that have blocks."""


def tower_of(kind: str, tuning: Any = None) -> VisionTower:
    if kind in VITS:
        options, fields = VITS[kind]
        return VisionTower(tiny_card(**fields), tiny_trunk(**options), build_tuning(tuning))
    if kind == 'attentional pooling':
        sizes = {'embed_dim': WIDTH, 'depth': DEPTH, 'num_heads': 3, 'patch_size': PATCH}
        row = replace(tiny_card('pool', 16, arch_kwargs=sizes), tower='PooledViT')
        trunk = STAGES.get('PooledViT').build(row, row.image_size)
    else:
        whole = ('AnyModel', 'test_convnext', {}, 64, 0)
        tower, arch, options, dim, _ = OTHERS.get(kind, whole)
        kwargs = options if tower == 'InternImage' else {**options, 'num_classes': 0}
        row = tiny_card('pool', dim, arch_kwargs=kwargs, patch_size=32, image_size=64)
        row = replace(row, arch=arch, tower=tower)
        trunk = random_trunk(row, 64)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for value in trunk.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return VisionTower(row, trunk.eval(), build_tuning(tuning))


def model_of(kind: str, tuning: Any = None, head: Any = None) -> Classifier:
    """A text head behind a projection, or the head that is asked for on the features."""
    torch.manual_seed(0)
    neck = NECKS.build('ProjectionNeck') if head is None else None
    made = Classifier(
        tower_of(kind, tuning), neck, HEADS.build(text_head() if head is None else head), CLASSES
    )
    with torch.no_grad():
        for value in (p for p in made.head.parameters() if p.requires_grad):
            nn.init.normal_(value)
    return made.eval()


def sides(kind: str) -> tuple[int, int]:
    """Pixels and cells of a side."""
    return (64, OTHERS[kind][-1]) if kind in OTHERS else (32, 4)
