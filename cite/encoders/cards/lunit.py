"""The DINO models of Lunit."""

from __future__ import annotations

from cite.encoders.card import Card, Source


def _lunit(patch_size: int) -> Card:
    return Card(
        name=f'lunit-dino-s{patch_size}',
        arch=f'vit_small_patch{patch_size}_224',
        feature='token',
        feature_dim=384,
        patch_size=patch_size,
        image_size=224,
        mean=(0.70322989, 0.53606487, 0.66096631),
        std=(0.21716536, 0.26081574, 0.20723464),
        licence='research only',
        citation='Kang et al., CVPR 2023, arXiv:2212.04690',
        source=Source(
            f'1aurent/vit_small_patch{patch_size}_224.lunit_dino',
            (
                'model.safetensors',
                'pytorch_model.bin',
                f'dino_vit_small_patch{patch_size}_ep200.torch',
            ),
        ),
        arch_kwargs={'num_classes': 0},
        domain='pathology',
    )


CARDS = (_lunit(16), _lunit(8))
