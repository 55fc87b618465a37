"""mmpretrain's (mmcls') `VisionTransformer` names, CLIP's pre-norm and LayerScale included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'mmpretrain ViT'

_RENAMES = (
    (r'^patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'^pre_norm\.', 'norm_pre.'),
    (r'^ln1\.', 'norm.'),
    (r'^layers\.', 'blocks.'),
    (r'\.ln([12])\.', r'.norm\1.'),
    (r'\.attn\.gamma1\.weight$', '.ls1.gamma'),
    (r'\.ffn\.gamma2\.weight$', '.ls2.gamma'),
    (r'\.ffn\.(layers\.0\.0|w12)\.', '.mlp.fc1.'),
    (r'\.ffn\.(layers\.1|w3)\.', '.mlp.fc2.'),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of mmpretrain's vision transformer."""
    return {'patch_embed.projection.weight', 'layers.0.ln1.weight'} <= state.keys()


def convert(
    state: Mapping[str, Tensor],
    model: VisionTransformer,
) -> dict[str, Tensor]:
    """To timm's names."""
    return rename(state, _RENAMES)
