"""transformers' ViT names: `ViTModel`, alone or under a classifier or MAE's decoder (`vit.`).

Hub files hold the names of transformers 4 (`encoder.layer.0.attention.attention.query`); a model of
transformers 5 in memory has `layers.0.attention.q_proj`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import timm_vit
from cite.encoders.checkpoints.renaming import join, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'transformers ViT'

_TO_V5 = (
    (r'^vit\.', ''),
    (r'^encoder\.layer\.', 'layers.'),
    (r'\.attention\.attention\.query\.', '.attention.q_proj.'),
    (r'\.attention\.attention\.key\.', '.attention.k_proj.'),
    (r'\.attention\.attention\.value\.', '.attention.v_proj.'),
    (r'\.attention\.output\.dense\.', '.attention.o_proj.'),
    (r'\.intermediate\.dense\.', '.mlp.fc1.'),
    (r'\.output\.dense\.', '.mlp.fc2.'),
)
_TO_TIMM = (
    (r'^embeddings\.cls_token$', 'cls_token'),
    (r'^embeddings\.position_embeddings$', 'pos_embed'),
    (r'^embeddings\.patch_embeddings\.projection\.', 'patch_embed.proj.'),
    (r'^layernorm\.', 'norm.'),
    (r'^layers\.', 'blocks.'),
    (r'\.attention\.qkv\.', '.attn.qkv.'),
    (r'\.attention\.o_proj\.', '.attn.proj.'),
    (r'\.layernorm_before\.', '.norm1.'),
    (r'\.layernorm_after\.', '.norm2.'),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of transformers' `ViTModel` or what is built on it."""
    return any(f'{prefix}embeddings.cls_token' in state for prefix in ('', 'vit.')) and any(
        key.endswith('.0.layernorm_before.weight') for key in state
    )


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To timm's names; a pooler, classifier or decoder keeps its own."""
    state = join(rename(state, _TO_V5), ('q_proj', 'k_proj', 'v_proj'), 'qkv')
    return timm_vit.convert(rename(state, _TO_TIMM), model)
