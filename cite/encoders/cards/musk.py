"""MUSK: BEiT-3 for pathology, whose halves share one transformer and keep their own layers in it."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import HALF, Card, Source
from cite.encoders.cards.medical_clip import HISTOPATHOLOGY
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

_ABOUT: dict[str, Any] = {
    'licence': 'CC-BY-NC-ND-4.0',
    'citation': 'Xiang et al., Nature 2025',
    'source': Source('xiangjx/musk'),
    'domain': 'pathology',
    'gated': True,
}


def _vision(name: str, classes: int, note: str) -> Card:
    return Card(
        name=name,
        **_ABOUT,
        arch='beit3_large_patch16_224',
        feature='projection' if classes else 'token',
        feature_dim=1024,
        patch_size=16,
        image_size=384,
        **HALF,
        arch_kwargs={'num_classes': classes, 'global_pool': 'token'},
        pos_interp='mae',
        leftovers=('head.*', 'mask_token'),
        note=note,
    )


CARDS = (
    _vision('musk', 0, 'the class token, for heads of your own'),
    _vision('musk-clip', 1024, 'the class token in the space of the texts, for zero-shot use'),
    TextCard(
        name='musk',
        **_ABOUT,
        encoder='MUSKTextEncoder',
        dim=1024,
        note='its tokenizer needs the package sentencepiece',
    ),
    PairCard(
        name='musk',
        **_ABOUT,
        vision='musk-clip',
        text='musk',
        templates=HISTOPATHOLOGY,
        templates_from="the authors' benchmark",
    ),
)
