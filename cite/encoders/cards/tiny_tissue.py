"""`tiny-tissue`: the vision half of a small pair that comes with the library, trained on drawn tissue."""

from __future__ import annotations

from pathlib import Path

from cite.encoders.card import HALF, Card
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

FOLDER = Path(__file__).parent.parent / 'tiny_tissue'

CARDS = (
    Card(
        name='tiny-tissue',
        arch='vit_tiny_patch16_224',
        feature='projection',
        feature_dim=192,
        patch_size=16,
        image_size=112,
        **HALF,
        licence='Apache-2.0',
        citation='none: see cite/encoders/tiny_tissue/CARD.md',
        weights=FOLDER / 'vision.safetensors',
        arch_kwargs={
            'num_classes': 192,
            'img_size': 112,
            'depth': 4,
            'embed_layer': 'ConvStem',
            'class_token': False,
            'global_pool': 'avg',
            'weight_init': 'moco',  # timm's usual small weights make every image look alike at first
        },
        domain='pathology',
        mpp=2.0,
        note='learned drawn tissue only, for trying the library out: it knows no real histology',
    ),
    TextCard(
        name='tiny-tissue',
        dim=192,
        pooling='mean',
        licence='Apache-2.0',
        citation='none: see cite/encoders/tiny_tissue/CARD.md',
        domain='pathology',
        note='learned captions of drawn tissue only, for trying the library out',
        folder=FOLDER / 'text',
    ),
    PairCard(
        name='tiny-tissue',
        vision='tiny-tissue',
        text='tiny-tissue',
        scale=FOLDER / 'pair.json',
        licence='Apache-2.0',
        citation='none: see cite/encoders/tiny_tissue/CARD.md',
        domain='pathology',
    ),
)
