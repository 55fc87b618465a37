"""transformers' DINOv2 names, with and without registers, which Phikon-v2, Midnight and Hibou share.

Hub files hold the names of transformers 4 (`attention.attention.query`, `mlp.weights_in`); a model
of transformers 5 in memory has `attention.q_proj` and splits `weights_in` into gate and up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import dinov2
from cite.encoders.checkpoints.renaming import join, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'transformers DINOv2'

_TO_V5 = (
    (r'^dinov2(_with_registers)?\.', ''),  # under a classifier
    (r'\.attention\.attention\.query\.', '.attention.q_proj.'),
    (r'\.attention\.attention\.key\.', '.attention.k_proj.'),
    (r'\.attention\.attention\.value\.', '.attention.v_proj.'),
    (r'\.attention\.output\.dense\.', '.attention.o_proj.'),
    (r'\.mlp\.weights_out\.', '.mlp.down_proj.'),
)
_TO_OFFICIAL = (
    (r'^embeddings\.(cls_token|mask_token|register_tokens)$', r'\1'),
    (r'^embeddings\.position_embeddings$', 'pos_embed'),
    (r'^embeddings\.patch_embeddings\.projection\.', 'patch_embed.proj.'),
    (r'^layernorm\.', 'norm.'),
    (r'^encoder\.layer\.', 'blocks.'),
    (r'\.attention\.qkv\.', '.attn.qkv.'),
    (r'\.attention\.o_proj\.', '.attn.proj.'),
    (r'\.layer_scale([12])\.lambda1$', r'.ls\1.gamma'),
    (r'\.mlp\.weights_in\.', '.mlp.w12.'),
    (r'\.mlp\.down_proj\.', '.mlp.w3.'),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of transformers' `Dinov2Model` or its variant with registers."""
    return any(key.endswith('embeddings.cls_token') for key in state) and any(
        '.layer_scale1.lambda1' in key for key in state
    )


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To DINOv2's own names, and on to timm's."""
    state = rename(state, _TO_V5)
    state = join(state, ('q_proj', 'k_proj', 'v_proj'), 'qkv')
    state = join(state, ('gate_proj', 'up_proj'), 'weights_in')
    return dinov2.convert(rename(state, _TO_OFFICIAL), model)
