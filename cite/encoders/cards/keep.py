"""KEEP: a pathology pair trained with a knowledge graph of diseases."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

_ABOUT: dict[str, Any] = {
    'name': 'keep',
    'licence': 'MIT',
    'citation': 'Zhou et al., arXiv:2412.13126',
    'source': Source('Astaxanthin/KEEP'),
    'domain': 'pathology',
}

CARDS = (
    Card(
        **_ABOUT,
        arch='vit_large_patch16_224',
        tower='ProjectedViT',
        feature='projection',
        feature_dim=768,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        arch_kwargs={'num_classes': 0, 'init_values': 1e-5},
    ),
    TextCard(
        **_ABOUT,
        encoder='ProjectedTextEncoder',
        dim=768,
        pooling='pooler_output',
        options={'pooling': 'pooler_output'},
    ),
    PairCard(
        **_ABOUT,
        vision='keep',
        text='keep',
        templates=('an H&E image of {}.',),
        templates_from="the authors' example of zero-shot classification",
    ),
)
