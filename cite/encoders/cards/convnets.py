"""Convolutional networks trained with labels on ImageNet-1k, the baselines of many papers.

The weights are torchvision's, from timm's hub repositories; torchvision's own files load as well, with
`weights=`.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source


def _torchvision(name: str, arch: str, dim: int, classifier: str, **fields: Any) -> Card:
    return Card(
        name=name,
        arch=arch,
        tower='ConvNet',
        feature='pool',
        feature_dim=dim,
        patch_size=32,
        image_size=224,
        **IMAGENET,
        source=Source(f'timm/{arch}.tv_in1k'),
        arch_kwargs={'num_classes': 0},
        resize_size=256,
        leftovers=(f'{classifier}.*',),
        **fields,
    )


CARDS = (
    _torchvision(
        'resnet50-in1k',
        'resnet50',
        2048,
        'fc',
        interpolation='bilinear',
        licence='BSD-3-Clause',
        citation='He et al., CVPR 2016, arXiv:1512.03385',
    ),
    _torchvision(
        'densenet121',
        'densenet121',
        1024,
        'classifier',
        licence='Apache-2.0',
        citation='Huang et al., CVPR 2017, arXiv:1608.06993',
    ),
)
