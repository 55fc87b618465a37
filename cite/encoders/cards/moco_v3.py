"""MoCo v3 on ImageNet-1k. Its ViT-S has 12 heads, as its ViT-B; timm's has 6, which no shape reveals."""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source


def _moco(size: str, timm_size: str, dim: int) -> Card:
    file = f'vit-{size}-300ep.pth.tar'
    return Card(
        name=f'mocov3-vit-{size}16',
        arch=f'vit_{timm_size}_patch16_224',
        feature='token',
        feature_dim=dim,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        licence='CC-BY-NC-4.0',
        citation='Chen et al., ICCV 2021, arXiv:2104.02057',
        source=Source(
            None,
            (file,),
            how='download it from https://dl.fbaipublicfiles.com/moco-v3/'
            f'vit-{size}-300ep/{file}, see github.com/facebookresearch/moco-v3',
        ),
        arch_kwargs={'num_classes': 0, 'num_heads': 12},
        interpolation='bilinear',
        resize_size=256,
        leftovers=('head.*',),
    )


CARDS = (_moco('s', 'small', 384), _moco('b', 'base', 768))
