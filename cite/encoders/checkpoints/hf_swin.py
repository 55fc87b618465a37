"""transformers' Swin names, as hub files hold them: `SwinModel`, `SwinForImageClassification`.

transformers 5 calls its layers otherwise in memory, and still writes these names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import swin
from cite.encoders.checkpoints.renaming import join, rename

if TYPE_CHECKING:
    from timm.models.swin_transformer import SwinTransformer

LAYOUT = 'transformers Swin'

_RENAMES = (
    (r'^embeddings\.patch_embeddings\.projection\.', 'patch_embed.proj.'),
    (r'^embeddings\.norm\.', 'patch_embed.norm.'),
    (r'^encoder\.layers\.', 'layers.'),
    (r'^layernorm\.', 'norm.'),
    (r'^classifier\.', 'head.fc.'),
    (r'\.layernorm_before\.', '.norm1.'),
    (r'\.layernorm_after\.', '.norm2.'),
    (r'\.attention\.self\.', '.attn.'),
    (r'\.attention\.output\.dense\.', '.attn.proj.'),
    (r'\.intermediate\.dense\.', '.mlp.fc1.'),
    (r'(\.blocks\.\d+)\.output\.dense\.', r'\1.mlp.fc2.'),
)
_SIGN = re.compile(
    r'(swin\.)?encoder\.layers\.\d+\.blocks\.\d+\.attention\.self\.relative_position_bias_table'
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a Swin transformer in transformers."""
    return any(_SIGN.fullmatch(key) for key in state)


def convert(state: Mapping[str, Tensor], model: SwinTransformer) -> dict[str, Tensor]:
    """To timm's older names, and on to today's."""
    renamed = rename(state, ((r'^swin\.', ''), *_RENAMES))
    return swin.convert(join(renamed, ('query', 'key', 'value'), 'qkv'), model)
