"""CTransPath, and the tile encoder that CHIEF made of it."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source


def _ctranspath(name: str, **about: Any) -> Card:
    return Card(
        name=name,
        arch='swin_tiny_patch4_window7_224',
        tower='Swin',
        feature='pool',
        feature_dim=768,
        patch_size=32,
        image_size=224,
        **IMAGENET,
        arch_kwargs={'num_classes': 0, 'embed_layer': 'CTransPathStem'},
        interpolation='bilinear',
        licence='GPL-3.0, non-commercial academic use',
        domain='pathology',
        **about,
    )


CARDS = (
    _ctranspath(
        'ctranspath',
        citation='Wang et al., Medical Image Analysis 2022',
        source=Source(
            None,
            ('ctranspath.pth',),
            how='download ctranspath.pth from the Google Drive folder that '
            'https://github.com/Xiyue-Wang/TransPath names',
        ),
    ),
    _ctranspath(
        'chief-ctranspath',
        citation='Wang et al., Nature 2024',
        source=Source(
            None,
            ('CHIEF_CTransPath.pth',),
            how='download fm_v1/ctranspath/CHIEF_CTransPath.pth of the data set '
            'https://huggingface.co/datasets/MahmoodLab/hest-bench',
        ),
        note="CTransPath's architecture with the weights that come with CHIEF",
    ),
)
