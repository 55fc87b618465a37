"""UNI and UNI2-h of the Mahmood Lab."""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source

CARDS = (
    Card(
        name='uni',
        arch='vit_large_patch16_224',
        feature='token',
        feature_dim=1024,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        licence='CC-BY-NC-ND-4.0',
        citation='Chen et al., Nat Med 2024',
        source=Source('MahmoodLab/UNI', ('pytorch_model.bin', 'model.safetensors')),
        gated=True,
        arch_kwargs={'num_classes': 0, 'init_values': 1e-5},
        interpolation='bilinear',
        domain='pathology',
        mpp=0.5,
    ),
    Card(
        name='uni2-h',
        arch='vit_giant_patch14_224',
        feature='token',
        feature_dim=1536,
        patch_size=14,
        image_size=224,
        **IMAGENET,
        licence='CC-BY-NC-ND-4.0',
        citation='Chen et al., Nat Med 2024',
        source=Source('MahmoodLab/UNI2-h', ('pytorch_model.bin', 'model.safetensors')),
        gated=True,
        arch_kwargs={
            'num_classes': 0,
            'depth': 24,
            'embed_dim': 1536,
            'num_heads': 24,
            'mlp_ratio': 2.66667 * 2,
            'mlp_layer': 'SwiGLUPacked',
            'act_layer': 'silu',
            'init_values': 1e-5,
            'no_embed_class': True,
            'reg_tokens': 8,
        },
        interpolation='bilinear',
        domain='pathology',
        mpp=0.5,
    ),
)
