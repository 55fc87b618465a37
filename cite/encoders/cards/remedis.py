"""REMEDIS: BiT ResNets trained without labels on medical images (Azizi et al., Nat Biomed Eng 2023).

Published as TensorFlow SavedModels; `tools/convert_remedis.py` makes files of them that load here.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import HALF, Card, Source

_PAGE = 'https://physionet.org/content/medical-ai-research-foundation/1.0.0/'


def _remedis(images: str, net: str, dim: int, **fields: Any) -> Card:
    folder = f'{images}-{net}-remedis'
    return Card(
        name=f'remedis-{images}-{net}',
        arch=f'resnetv2_{net}_bit',
        tower='ConvNet',
        feature='pool',
        feature_dim=dim,
        patch_size=32,
        **HALF,
        licence='its own, to be accepted at PhysioNet',
        citation='Azizi et al., Nat Biomed Eng 2023, arXiv:2205.09723',
        source=Source(
            None,
            (f'{folder}-m.safetensors', f'{folder}-s.safetensors', f'{folder}-m.npz'),
            how=f'download {folder}-m or -s from {_PAGE} (a licence to accept) and convert it with '
            'tools/convert_remedis.py',
        ),
        gated=True,
        note='its variants -m and -s both fit; that its published form takes pixels in -1…1, as BiT '
        'does, was not seen',
        arch_kwargs={'num_classes': 0},
        leftovers=('head.fc.*',),
        **fields,
    )


CARDS = tuple(
    _remedis(images, net, dim, domain=domain, image_size=size)
    for images, domain, size in (('path', 'pathology', 224), ('cxr', 'radiology', 448))
    for net, dim in (('50x1', 2048), ('152x2', 4096))
)
