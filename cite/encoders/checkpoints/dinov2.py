"""DINOv2's own names: registers or none, SwiGLU (giant), blocks in chunks (training runs)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import timm_vit
from cite.encoders.checkpoints.renaming import rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'DINOv2'

_RENAMES = (
    # blocks.<chunk>.<index in the whole model>
    (r'^blocks\.\d+\.(\d+)\.', r'blocks.\1.'),
    (r'\.mlp\.w12\.', '.mlp.fc1.'),
    (r'\.mlp\.w3\.', '.mlp.fc2.'),
    (r'^register_tokens$', 'reg_token'),
)
_CHUNKED = re.compile(r'blocks\.\d+\.\d+\.')


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys have what timm's lack: mask token, registers, w12 or chunks."""
    return (
        'patch_embed.proj.weight' in state
        and not any(key.startswith('decoder') for key in state)  # MAE has a mask token, too
        and any(
            key in ('mask_token', 'register_tokens')
            or key.endswith('.mlp.w12.weight')
            or _CHUNKED.match(key)
            for key in state
        )
    )


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To timm's names.

    timm's models with registers add no position to the class token, so it is added here.
    """
    out = rename(state, _RENAMES)
    bare = getattr(
        model, 'no_embed_class', False
    )  # the file may be meant for a model of another kind
    if bare and {'cls_token', 'pos_embed'} <= out.keys():
        positions = out['pos_embed'].shape[1]
        if math.isqrt(positions) ** 2 != positions:  # not a bare grid already
            out['cls_token'] = out['cls_token'] + out['pos_embed'][:, :1]
            out['pos_embed'] = out['pos_embed'][:, 1:]
    return timm_vit.convert(out, model)
