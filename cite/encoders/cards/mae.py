"""MAE on ImageNet, with the class token behind the last norm, as its authors probe it linearly.

The weights come from timm's hub repositories; Meta's files (`mae_pretrain_vit_*.pth`, with or without
decoder) and transformers' (`facebook/vit-mae-*`) load as well.
"""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source


def _mae(size: str, timm_size: str, patch_size: int, dim: int) -> Card:
    arch = f'vit_{timm_size}_patch{patch_size}_224'
    return Card(
        name=f'mae-vit-{size}{patch_size}',
        arch=arch,
        feature='token',
        feature_dim=dim,
        patch_size=patch_size,
        image_size=224,
        **IMAGENET,
        licence='CC-BY-NC-4.0',
        citation='He et al., CVPR 2022, arXiv:2111.06377',
        source=Source(
            f'timm/{arch}.mae',
            ('model.safetensors', 'pytorch_model.bin', f'mae_pretrain_vit_{timm_size}.pth'),
        ),
        arch_kwargs={'num_classes': 0},
        resize_size=256,
        pos_interp='mae',
        leftovers=('mask_token', 'decoder*'),
        note='learned without labels to restore pixels: strong when tuned, weak when only probed',
    )


CARDS = (
    _mae('b', 'base', 16, 768),
    _mae('l', 'large', 16, 1024),
    _mae('h', 'huge', 14, 1280),
)
