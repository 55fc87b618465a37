"""H-optimus-0, H-optimus-1 and their small student H0-mini, of Bioptimus."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Card, Source


def _bioptimus(
    name: str, arch: str, dim: int, licence: str, citation: str, **arch_kwargs: Any
) -> Card:
    return Card(
        name=name.lower(),
        arch=arch,
        feature='token',
        feature_dim=dim,
        patch_size=14,
        image_size=224,
        mean=(0.707223, 0.578729, 0.703617),
        std=(0.211883, 0.230117, 0.177517),
        licence=licence,
        citation=citation,
        source=Source(f'bioptimus/{name}'),
        gated=True,
        arch_kwargs={'num_classes': 0, **arch_kwargs},
        domain='pathology',
        mpp=0.5,
    )


CARDS = (
    _bioptimus(
        'H-optimus-0',
        'vit_giant_patch14_reg4_dinov2',
        1536,
        'Apache-2.0',
        'Saillard et al., 2024, github.com/bioptimus/releases',
    ),
    _bioptimus(
        'H-optimus-1',
        'vit_giant_patch14_reg4_dinov2',
        1536,
        'non-commercial, see its page on the hub',
        'Bioptimus, 2025, huggingface.co/bioptimus/H-optimus-1',
    ),
    _bioptimus(
        'H0-mini',
        'vit_base_patch14_reg4_dinov2',
        768,
        'see its page on the hub',
        'Filiot et al., arXiv:2501.16239',
        mlp_ratio=2.66667 * 2,
        mlp_layer='SwiGLUPacked',
        act_layer='silu',
    ),
)
