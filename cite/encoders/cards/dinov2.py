"""DINOv2, without and with registers, at 224 pixels (the files hold position embeddings for 518).

The weights come from timm's hub repositories: timm's names are ours, each has one file in
safetensors, and they were made from Meta's files without a change of value. Meta's own files
(`dinov2_vit*14_pretrain.pth`, `facebook/dinov2-*`) load as well, with `weights=`.
"""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source


def _dinov2(size: str, timm_size: str, dim: int, registers: bool) -> Card:
    arch = f'vit_{timm_size}_patch14_{"reg4_" if registers else ""}dinov2'
    return Card(
        name=f'dinov2-vit-{size}14{"-reg" if registers else ""}',
        arch=arch,
        feature='token',
        feature_dim=dim,
        patch_size=14,
        image_size=224,
        **IMAGENET,
        licence='Apache-2.0',
        citation='Darcet et al., ICLR 2024, arXiv:2309.16588'
        if registers
        else 'Oquab et al., TMLR 2024, arXiv:2304.07193',
        source=Source(f'timm/{arch}.lvd142m'),
        arch_kwargs={'num_classes': 0, 'img_size': 224},
        resize_size=256,
        # the authors switched to antialiased resizing with the registers
        pos_interp='timm' if registers else 'dino',
        leftovers=('mask_token', 'head.*', 'dino_head.*', 'ibot_head.*'),
    )


CARDS = tuple(
    _dinov2(size, timm_size, dim, registers)
    for registers in (False, True)
    for size, timm_size, dim in (
        ('s', 'small', 384),
        ('b', 'base', 768),
        ('l', 'large', 1024),
        ('g', 'giant', 1536),
    )
)
