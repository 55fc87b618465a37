"""CONCH: version 1, images and texts, and the vision tower of version 1.5."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source
from cite.encoders.cards.clip import OPENAI_MEAN, OPENAI_STD
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

_ABOUT: dict[str, Any] = {
    'licence': 'CC-BY-NC-ND-4.0',
    'domain': 'pathology',
    'gated': True,
}
_V1: dict[str, Any] = {
    **_ABOUT,
    'citation': 'Lu et al., Nat Med 2024, arXiv:2307.12914',
    'source': Source('MahmoodLab/conch', ('pytorch_model.bin', 'model.safetensors')),
}
TEMPLATES = (
    '{}.',
    'a photomicrograph showing {}.',
    'a photomicrograph of {}.',
    'an image of {}.',
    'an image showing {}.',
    'an example of {}.',
    '{} is shown.',
    'this is {}.',
    'there is {}.',
    'a histopathological image showing {}.',
    'a histopathological image of {}.',
    'a histopathological photograph of {}.',
    'a histopathological photograph showing {}.',
    'shows {}.',
    'presence of {}.',
    '{} is present.',
    'an H&E stained image of {}.',
    'an H&E stained image showing {}.',
    'an H&E image showing {}.',
    'an H&E image of {}.',
    '{}, H&E stain.',
    '{}, H&E.',
)
"""What the authors put class names into; each class has several names as well."""


def _v1(name: str, feature: str, note: str) -> Card:
    return Card(
        name=name,
        **_V1,
        arch='vit_base_patch16_224',
        tower='PooledViT',
        feature=feature,  # type: ignore[arg-type]
        feature_dim=512,
        patch_size=16,
        image_size=448,
        mean=OPENAI_MEAN,
        std=OPENAI_STD,
        pos_interp='conch',
        leftovers=('attn_pool_caption.*', 'ln_caption.*', 'head.*'),
        note=note,
    )


CARDS = (
    _v1('conch', 'pool', 'the pooled feature, for heads of your own'),
    _v1('conch-clip', 'projection', 'the feature in the space of the texts, for zero-shot use'),
    TextCard(name='conch', **_V1, encoder='CONCHTextEncoder', dim=512),
    PairCard(
        name='conch',
        **_V1,
        vision='conch-clip',
        text='conch',
        templates=TEMPLATES,
        templates_from='prompts/crc100k_prompts_all_per_class.json of github.com/mahmoodlab/CONCH',
    ),
    Card(
        name='conch-v1.5',
        **_ABOUT,
        citation='Ding et al., Nat Med 2025, arXiv:2411.19666',
        source=Source('MahmoodLab/conchv1_5', ('pytorch_model_vision.bin',)),
        arch='vit_large_patch16_224',
        tower='PooledViT',
        feature='pool',
        feature_dim=768,
        patch_size=16,
        image_size=448,
        **IMAGENET,
        arch_kwargs={'init_values': 1.0, 'pool_bias': False},
        interpolation='bilinear',
        pos_interp='dino',
        note='the patch encoder of TITAN; vision only',
    ),
)
