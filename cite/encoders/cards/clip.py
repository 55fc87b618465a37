"""CLIP for everyday images: OpenAI's, LAION's and Meta's.

OpenAI and Meta train with QuickGELU (timm's architectures named 'quickgelu'), LAION with the exact GELU.
The wrong one loads the same file without complaint and computes something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cite.encoders.card import HALF, Card, Published, Source
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
BPE = 'openai/clip-vit-base-patch32'
"""A repository with CLIP's tokenizer, which is the same for all of them."""
OPEN_CLIP = (
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.bin',
    'model.safetensors',
    'pytorch_model.bin',
)
"""Names of files in open_clip's repositories."""
_SIZES = {
    # size: timm's name, patch, features
    'b32': ('base_patch32', 32, 512),
    'b16': ('base_patch16', 16, 512),
    'l14': ('large_patch14', 14, 768),
    'h14': ('huge_patch14', 14, 1024),
}


def clip_vision(size: str, quick: bool, image_size: int = 224, **more: Any) -> Card:
    """Vision row of a CLIP: 'b32', 'b16', 'l14' or 'h14', with QuickGELU or with the exact GELU."""
    arch, patch_size, dim = _SIZES[size]
    timm_size = 336 if image_size == 336 else 224
    return Card(
        **{'mean': OPENAI_MEAN, 'std': OPENAI_STD, **more},
        arch=f'vit_{arch}_clip_{"quickgelu_" if quick else ""}{timm_size}',
        feature='projection',
        feature_dim=dim,
        patch_size=patch_size,
        image_size=image_size,
        arch_kwargs={'num_classes': dim, 'img_size': image_size},
    )


def clip_pair(
    about: dict[str, Any],
    size: str,
    quick: bool = True,
    image_size: int = 224,
    vision: Mapping[str, Any] | None = None,
    tokenizer: str | None = None,
    templates: tuple[str, ...] = (),
    templates_from: str = '',
) -> tuple[Published, ...]:
    """Three rows of one name: vision, text and pair.

    Args:
        about: What `Published` takes.
        size: 'b32', 'b16', 'l14' or 'h14'.
        quick: QuickGELU, in both halves.
        vision: More fields of the vision row.
        tokenizer: Repository with the tokenizer, where its own has none.
        templates, templates_from: Of the pair.
    """
    image = clip_vision(size, quick, image_size, **about, **(vision or {}))
    options = {} if quick else {'activation': 'gelu'}
    if tokenizer:
        options['tokenizer'] = tokenizer
    text = TextCard(**about, encoder='CLIPTextEncoder', dim=image.feature_dim, options=options)
    name = about['name']
    pair = PairCard(
        **about, vision=name, text=name, templates=templates, templates_from=templates_from
    )
    return image, text, pair


_PROMPTS: dict[str, Any] = {
    'templates': ('a photo of a {}.',),
    'templates_from': 'Radford et al., section 3.1.4',
}


def _openai(name: str, repo: str, size: str, image_size: int = 224) -> tuple[Published, ...]:
    about = {
        'name': name,
        'licence': 'MIT',
        'citation': 'Radford et al., ICML 2021, arXiv:2103.00020',
        'source': Source(f'openai/{repo}'),
    }
    return clip_pair(about, size, image_size=image_size, **_PROMPTS)


def _laion(size: str, repo: str, **vision: Any) -> tuple[Published, ...]:
    about = {
        'name': f'laion-clip-vit-{size}',
        'licence': 'MIT',
        'citation': 'Cherti et al., CVPR 2023, arXiv:2212.07143',
        'source': Source(f'laion/{repo}', OPEN_CLIP),
    }
    return clip_pair(about, size, quick=False, vision=vision, tokenizer=BPE, **_PROMPTS)


def _meta(size: str) -> tuple[Published, ...]:
    about = {
        'name': f'metaclip-vit-{size}',
        'licence': 'CC-BY-NC-4.0',
        'citation': 'Xu et al., ICLR 2024, arXiv:2309.16671',
        'source': Source(f'facebook/metaclip-{size}-400m'),
        'note': 'trained on 400 million pairs',
    }
    return clip_pair(about, size, tokenizer=BPE, **_PROMPTS)


CARDS = (
    *_openai('clip-vit-b32', 'clip-vit-base-patch32', 'b32'),
    *_openai('clip-vit-b16', 'clip-vit-base-patch16', 'b16'),
    *_openai('clip-vit-l14', 'clip-vit-large-patch14', 'l14'),
    *_openai('clip-vit-l14-336', 'clip-vit-large-patch14-336', 'l14', image_size=336),
    *_laion('b32', 'CLIP-ViT-B-32-laion2B-s34B-b79K'),
    *_laion('b16', 'CLIP-ViT-B-16-laion2B-s34B-b88K'),
    *_laion('l14', 'CLIP-ViT-L-14-laion2B-s32B-b82K', **HALF),
    *_laion('h14', 'CLIP-ViT-H-14-laion2B-s32B-b79K'),
    *_meta('b32'),
    *_meta('b16'),
    *_meta('l14'),
)
