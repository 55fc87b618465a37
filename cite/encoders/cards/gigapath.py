"""The tile encoder of Prov-GigaPath: DINOv2's giant with patches of 16 pixels."""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source

CARDS = (
    Card(
        name='prov-gigapath',
        arch='vit_giant_patch14_dinov2',
        feature='token',
        feature_dim=1536,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        licence='research only',
        citation='Xu et al., Nature 2024',
        source=Source('prov-gigapath/prov-gigapath', ('pytorch_model.bin', 'model.safetensors')),
        gated=True,
        arch_kwargs={'num_classes': 0, 'patch_size': 16},
        resize_size=256,
        domain='pathology',
        mpp=0.5,
        note='the tile encoder; slides have an encoder of their own, which is not here',
    ),
)
