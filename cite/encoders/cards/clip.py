"""OpenAI CLIP.

The weights come from OpenAI's own hub repositories. timm's architectures named 'quickgelu' are the
ones that CLIP was trained with; the plain ones use the exact GELU, load the same file without
complaint and compute something else.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Card, Published, Source
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard


def _clip(
    name: str, arch: str, repo: str, dim: int, patch_size: int, image_size: int = 224
) -> tuple[Published, ...]:
    about: dict[str, Any] = {
        'name': name,
        'licence': 'MIT',
        'citation': 'Radford et al., ICML 2021, arXiv:2103.00020',
        'source': Source(repo),
    }
    vision = Card(
        **about,
        arch=arch,
        feature='projection',
        feature_dim=dim,
        patch_size=patch_size,
        image_size=image_size,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
        arch_kwargs={'num_classes': dim, 'img_size': image_size},
    )
    text = TextCard(**about, encoder='CLIPTextEncoder', dim=dim)
    pair = PairCard(
        **about,
        vision=name,
        text=name,
        templates=('a photo of a {}.',),
        templates_from='Radford et al., section 3.1.4',
    )
    return vision, text, pair


CARDS = (
    *_clip(
        'clip-vit-b32',
        'vit_base_patch32_clip_quickgelu_224',
        'openai/clip-vit-base-patch32',
        512,
        patch_size=32,
    ),
    *_clip(
        'clip-vit-b16',
        'vit_base_patch16_clip_quickgelu_224',
        'openai/clip-vit-base-patch16',
        512,
        patch_size=16,
    ),
    *_clip(
        'clip-vit-l14',
        'vit_large_patch14_clip_quickgelu_224',
        'openai/clip-vit-large-patch14',
        768,
        patch_size=14,
    ),
    *_clip(
        'clip-vit-l14-336',
        'vit_large_patch14_clip_quickgelu_336',
        'openai/clip-vit-large-patch14-336',
        768,
        patch_size=14,
        image_size=336,
    ),
)
