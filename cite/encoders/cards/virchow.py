"""Virchow and Virchow2 of Paige: class token and mean of the patch tokens, joined, registers left out."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source


def _virchow(version: str, licence: str, citation: str, registers: int = 0, **more: Any) -> Card:
    return Card(
        name=f'virchow{version}',
        arch='vit_huge_patch14_224',
        feature='token+mean',
        feature_dim=2560,
        patch_size=14,
        image_size=224,
        **IMAGENET,
        licence=licence,
        citation=citation,
        source=Source(f'paige-ai/Virchow{version}', ('pytorch_model.bin', 'model.safetensors')),
        gated=True,
        arch_kwargs={
            'num_classes': 0,
            'global_pool': '',
            'mlp_ratio': 5.3375,
            'mlp_layer': 'SwiGLUPacked',
            'act_layer': 'silu',
            'init_values': 1e-5,
            'reg_tokens': registers,
        },
        domain='pathology',
        **more,
    )


CARDS = (
    _virchow('', 'Apache-2.0', 'Vorontsov et al., Nat Med 2024', mpp=0.5),
    _virchow(
        '2',
        'CC-BY-NC-ND-4.0',
        'Zimmermann et al., arXiv:2408.00738',
        registers=4,
        note='trained at several magnifications',
    ),
)
