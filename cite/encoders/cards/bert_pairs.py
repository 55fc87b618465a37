"""Pairs of a ViT and a PubMedBERT (today BiomedBERT): BiomedCLIP, QuiltNet-B-16-PMB, UniMed-CLIP.

The text half lies in the pair's file, with what projects it into the common space.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Card, Published, Source
from cite.encoders.cards.clip import OPEN_CLIP, OPENAI_MEAN, OPENAI_STD, clip_vision
from cite.encoders.cards.medical_clip import HISTOPATHOLOGY, QUILT
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

_UNIMED = 'constants.py of UniMed-CLIP, for its data sets of pathology'
_BERT = 'microsoft/BiomedNLP-BiomedBERT-{}-uncased-abstract'


def _pair(
    about: dict[str, Any],
    vision: Card,
    templates: tuple[str, ...],
    templates_from: str,
    text_size: str = 'base',
) -> tuple[Published, ...]:
    text = TextCard(
        **about,
        encoder='ProjectedTextEncoder',
        dim=vision.feature_dim,
        pooling='cls',
        options={'tokenizer': _BERT.format(text_size)},
    )
    name = about['name']
    pair = PairCard(
        **about, vision=name, text=name, templates=templates, templates_from=templates_from
    )
    return vision, text, pair


def _timm(about: dict[str, Any], **prompts: Any) -> tuple[Published, ...]:
    """With timm's plain ViT-B/16 and the exact GELU."""
    vision = Card(
        **about,
        arch='vit_base_patch16_224',
        feature='projection',
        feature_dim=512,
        patch_size=16,
        image_size=224,
        mean=OPENAI_MEAN,
        std=OPENAI_STD,
        arch_kwargs={'num_classes': 512, 'img_size': 224},
    )
    return _pair(about, vision, **prompts)


def _unimed(
    name: str, size: str, source: Source, note: str = '', text_size: str = 'base'
) -> tuple[Published, ...]:
    about = {
        'name': name,
        'licence': 'CC-BY-NC-4.0',
        'citation': 'Khattak et al., 2024, arXiv:2412.10372',
        'source': source,
        'domain': 'biomedical',
        'note': note,
    }
    # QuickGELU in the vision half only
    vision = clip_vision(size, True, 336 if size == 'l14' else 224, **about, pos_interp='openclip')
    return _pair(about, vision, HISTOPATHOLOGY, _UNIMED, text_size)


CARDS = (
    *_timm(
        {
            'name': 'biomedclip',
            'licence': 'MIT',
            'citation': 'Zhang et al., NEJM AI 2025, arXiv:2303.00915',
            'source': Source(
                'microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224', OPEN_CLIP[:2]
            ),
            'domain': 'biomedical',
        },
        templates=('this is a photo of {}',),
        templates_from='model card of BiomedCLIP',
    ),
    *_timm(
        {
            **QUILT,
            'name': 'quiltnet-b16-pmb',
            'source': Source('wisdomik/QuiltNet-B-16-PMB', OPEN_CLIP[:2]),
            'note': 'its file was not seen: taken to have the layout of BiomedCLIP',
        },
        templates=HISTOPATHOLOGY,
        templates_from='zero-shot evaluation of Quilt-1M',
    ),
    *_unimed(
        'unimed-clip-vit-b16',
        'b16',
        Source('UzairK/unimed-clip-vit-b16', ('unimed-clip-vit-b16.pt', 'unimed_clip_vit_b16.pt')),
    ),
    *_unimed(
        'unimed-clip-vit-l14',
        'l14',
        Source(
            'UzairK/unimed_clip_vit_l14_base_text_encoder',
            ('unimed_clip_vit_l14_base_text_encoder.pt',),
        ),
        'the one with the base text encoder',
    ),
    *_unimed(
        'unimed-clip-vit-l14-large-text',
        'l14',
        Source(
            'UzairK/unimed_clip_vit_l14_large_text_encoder',
            ('unimed_clip_vit_l14_large_text_encoder.pt',),
        ),
        'repository and file are named after the other one; if they are not there, pass weights=',
        'large',
    ),
)
