"""MedCLIP, with a Swin transformer (which its authors call ViT) or a ResNet-50.

It learned from chest radiographs and reports, in grey: its authors' code draws the grey of any image onto
a black square and repeats it for red, green and blue. Here colours stay, which for grey images is the
same.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import Card, Published, Source
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard

_DIM = 512


def _medclip(name: str, address: str, **fields: Any) -> tuple[Published, ...]:
    about: dict[str, Any] = {
        'name': name,
        'licence': 'MIT',
        'citation': 'Wang et al., EMNLP 2022, arXiv:2210.10163',
        'source': Source(
            None,
            ('pytorch_model.bin',),
            how='unpack the zip whose address is in '
            f'https://github.com/RyanWangZf/MedCLIP/blob/main/medclip/{address}',
        ),
        'domain': 'radiology',
    }
    vision = Card(
        **about,
        feature='projection',
        feature_dim=_DIM,
        patch_size=32,
        image_size=224,
        mean=(0.5862785803043838,) * 3,
        std=(0.27950088968644304,) * 3,
        arch_kwargs={'num_classes': 0},
        resize='pad',
        note='of chest radiographs, in grey',
        **fields,
    )
    text = TextCard(
        **about,
        encoder='MedCLIPTextEncoder',
        dim=_DIM,
        options={'tokenizer': 'emilyalsentzer/Bio_ClinicalBERT'},
    )
    return vision, text, PairCard(**about, vision=name, text=name)


CARDS = (
    *_medclip(
        'medclip-vit',
        'medclip_vit_weight.txt',
        arch='swin_tiny_patch4_window7_224',
        tower='Swin',
    ),
    *_medclip('medclip-resnet', 'medclip_resnet_weight.txt', arch='resnet50', tower='ConvNet'),
)
