"""Phikon (iBOT) and Phikon-v2 (DINOv2) of Owkin, published as models of transformers.

transformers' `ViTModel` norms with an epsilon of 1e-12 where timm has 1e-6.
"""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source

CARDS = (
    Card(
        name='phikon',
        arch='vit_base_patch16_224',
        feature='token',
        feature_dim=768,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        licence='Owkin non-commercial',
        citation='Filiot et al., medRxiv 2023.07.21.23292757',
        source=Source('owkin/phikon'),
        arch_kwargs={'num_classes': 0, 'norm_layer': 'LayerNorm@1e-12'},
        interpolation='bilinear',
        resize='squash',
        domain='pathology',
        pos_interp='mae',
        mpp=0.5,
        leftovers=('pooler.*', 'head.*', 'masked_embed', 'mask_token'),
    ),
    Card(
        name='phikon-v2',
        arch='vit_large_patch16_224',
        feature='token',
        feature_dim=1024,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        licence='Owkin non-commercial',
        citation='Filiot et al., arXiv:2409.09173',
        source=Source('owkin/phikon-v2'),
        arch_kwargs={'num_classes': 0, 'init_values': 1e-5},
        domain='pathology',
        pos_interp='mae',
        mpp=0.5,
        leftovers=('mask_token',),
    ),
)
