"""The published training step written plainly, as OpenAI's CLIP code has the tower, to compare speed with.

A ViT with `nn.MultiheadAttention` on tokens (N, B, C), LayerNorm in float32 and QuickGELU written out; one
prompt token behind the class token; a projection and the cosine to fixed text embeddings.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).type(x.dtype)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1 = LayerNorm(width)
        layers = [
            ('c_fc', nn.Linear(width, 4 * width)),
            ('gelu', QuickGELU()),
            ('c_proj', nn.Linear(4 * width, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class PlainCITE(nn.Module):
    """Frozen tower, one trained prompt, trained projection, fixed anchors.

    Args:
        width, depth, heads, patch, side: Of the tower.
        anchors: Text embeddings (classes, D).
    """

    mean: Tensor
    std: Tensor
    anchors: Tensor

    def __init__(
        self, width: int, depth: int, heads: int, patch: int, side: int, anchors: Tensor
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros((side // patch) ** 2 + 1, width))
        self.ln_pre = LayerNorm(width)
        self.blocks = nn.Sequential(*(ResidualAttentionBlock(width, heads) for _ in range(depth)))
        self.ln_post = LayerNorm(width)
        self.requires_grad_(False)
        self.prompt = nn.Parameter(torch.zeros(1, width))
        self.projection = nn.Linear(width, anchors.shape[1])
        self.log_scale = 4.6052
        self.register_buffer('anchors', anchors)
        self.register_buffer('mean', torch.zeros(3, 1, 1))
        self.register_buffer('std', torch.ones(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) → logits (B, classes)."""
        x = self.conv1((images.float() / 255 - self.mean) / self.std)
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.to(x.dtype).expand(len(x), 1, -1), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding.to(x.dtype))
        x = torch.cat([x[:, :1], self.prompt.to(x.dtype).expand(len(x), -1, -1), x[:, 1:]], dim=1)
        x = self.blocks(x.permute(1, 0, 2)).permute(1, 0, 2)
        features = F.normalize(self.projection(self.ln_post(x[:, 0])).float(), dim=-1)
        return torch.tensor(self.log_scale).exp() * features @ F.normalize(self.anchors, dim=-1).T


def names_of_timm(depth: int) -> dict[str, str]:
    """Name in `PlainCITE` → name in timm's CLIP ViT."""
    names = {
        'conv1.weight': 'patch_embed.proj.weight',
        'class_embedding': 'cls_token',
        'positional_embedding': 'pos_embed',
    }
    for mine, timms in (('ln_pre', 'norm_pre'), ('ln_post', 'norm')):
        names |= {f'{mine}.{kind}': f'{timms}.{kind}' for kind in ('weight', 'bias')}
    parts = {
        'ln_1.': 'norm1.',
        'ln_2.': 'norm2.',
        'attn.in_proj_': 'attn.qkv.',
        'attn.out_proj.': 'attn.proj.',
        'mlp.c_fc.': 'mlp.fc1.',
        'mlp.c_proj.': 'mlp.fc2.',
    }
    for block in range(depth):
        for mine, timms in parts.items():
            for kind in ('weight', 'bias'):
                names[f'blocks.{block}.{mine}{kind}'] = f'blocks.{block}.{timms}{kind}'
    return names
