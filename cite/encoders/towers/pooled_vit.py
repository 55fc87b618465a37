"""Vision transformers whose authors pool all tokens by attention: CONCH.

One learned query looks at the normed tokens of the last block (Yu et al., 'CoCa: Contrastive Captioners are
Image-Text Foundation Models', TMLR 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.vit import PlainViT

if TYPE_CHECKING:
    from cite.encoders.card import Card

HEADS = 8
"""Of the pooler, in CONCH as in CoCa."""


class AttentionalPooler(nn.Module):
    """Tokens → one vector.

    Args:
        width: Of the tokens.
        dim: Of the query and of the vector.
        bias: Whether its four linear maps have one.
    """

    def __init__(self, width: int, dim: int, bias: bool = True) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, dim))
        self.ln_q = nn.LayerNorm(dim)
        self.ln_k = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(
            dim, HEADS, bias=bias, kdim=width, vdim=width, batch_first=True
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) → (B, dim)."""
        keys = self.ln_k(tokens)
        query = self.ln_q(self.query).expand(tokens.shape[0], -1, -1)
        pooled: Tensor = self.attn(query, keys, keys, need_weights=False)[0]
        return pooled[:, 0]


@STAGES.register
class PooledViT(PlainViT):
    """A plain vision transformer with an attentional pooler and a norm behind it.

    A card of feature 'projection' has a linear map without bias behind them, into the space of the texts.
    What a card's `arch_kwargs` may say besides timm's: 'pool_bias' (True).
    """

    description = 'a vision transformer with an attentional pooler'

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        import timm

        kwargs = {**card.arch_kwargs, 'img_size': image_size, 'num_classes': 0}
        bias = kwargs.pop('pool_bias', True)
        trunk = timm.create_model(card.arch, pretrained=False, **kwargs)
        dim = card.feature_dim
        trunk.attn_pool = AttentionalPooler(trunk.embed_dim, dim, bias)  # type: ignore[arg-type]
        trunk.fc_norm = nn.LayerNorm(dim)
        if card.feature == 'projection':
            trunk.head = nn.Linear(dim, dim, bias=False)
        return trunk

    def pool(self, tokens: Tensor) -> Tensor:
        trunk = self.trunk
        pooled: Tensor = trunk.head(trunk.fc_norm(trunk.attn_pool(trunk.norm(tokens))))
        return pooled
