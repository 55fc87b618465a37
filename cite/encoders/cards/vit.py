"""Vision transformers trained with labels on ImageNet-21k, and the random one for tests.

The 'augreg' weights come from timm's hub repositories; the authors publish JAX `.npz` files only. Google's
conversion of the first ViT comes from its hub repository.
"""

from __future__ import annotations

from cite.encoders.card import HALF, Card, Source


def _in21k(name: str, arch: str, dim: int) -> Card:
    return Card(
        name=name,
        arch=arch,
        feature='token',
        feature_dim=dim,
        patch_size=16,
        image_size=224,
        **HALF,
        licence='Apache-2.0',
        citation='Steiner et al., TMLR 2022, arXiv:2106.10270',
        source=Source(f'timm/{arch}.augreg_in21k'),
        arch_kwargs={'num_classes': 0, 'img_size': 224},
        resize_size=248,
        leftovers=('head.*', 'pooler.*'),
    )


CARDS = (
    _in21k('vit-s16-in21k', 'vit_small_patch16_224', 384),
    _in21k('vit-b16-in21k', 'vit_base_patch16_224', 768),
    _in21k('vit-l16-in21k', 'vit_large_patch16_224', 1024),
    Card(
        name='vit-b16-in21k-google',
        arch='vit_base_patch16_224',
        feature='token',
        feature_dim=768,
        patch_size=16,
        image_size=224,
        **HALF,
        licence='Apache-2.0',
        citation='Dosovitskiy et al., ICLR 2021, arXiv:2010.11929',
        source=Source('google/vit-base-patch16-224-in21k'),
        # transformers' epsilon, where timm has 1e-6
        arch_kwargs={'num_classes': 0, 'img_size': 224, 'norm_layer': 'LayerNorm@1e-12'},
        interpolation='bilinear',
        resize='squash',
        pos_interp='mae',
        leftovers=('pooler.*',),
    ),
    Card(
        name='random-vit-tiny',
        arch='vit_tiny_patch16_224',
        feature='token',
        feature_dim=192,
        patch_size=16,
        image_size=112,
        **HALF,
        licence='none needed: no trained weights',
        citation='none',
        arch_kwargs={'num_classes': 0, 'img_size': 112, 'depth': 2},
        note='random weights from a fixed seed, for tests and quickstart: it has learned nothing',
    ),
)
