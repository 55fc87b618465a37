"""Hibou of HistAI: DINOv2 with registers and SwiGLU.

The hub repositories hold transformers' names, the file on Google Drive (B) DINOv2's own; both load.
"""

from __future__ import annotations

from cite.encoders.card import Card, Source


def _hibou(size: str, timm_size: str, dim: int, mlp_ratio: float) -> Card:
    return Card(
        name=f'hibou-{size.lower()}',
        arch=f'vit_{timm_size}_patch14_reg4_dinov2',
        feature='token',
        feature_dim=dim,
        patch_size=14,
        image_size=224,
        mean=(0.7068, 0.5755, 0.722),
        std=(0.195, 0.2316, 0.1816),
        licence='Apache-2.0',
        citation='Nechaev et al., arXiv:2406.05074',
        source=Source(f'histai/hibou-{size}'),
        arch_kwargs={
            'num_classes': 0,
            'mlp_ratio': mlp_ratio,
            'mlp_layer': 'SwiGLUPacked',
            'act_layer': 'silu',
        },
        domain='pathology',
        leftovers=('mask_token',),
    )


CARDS = (_hibou('b', 'base', 768, 4096 / 768), _hibou('L', 'large', 1024, 5472 / 1024))
