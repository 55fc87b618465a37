"""CONCH: a timm trunk, attentional poolers, and in version 1 the text tower beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import drop, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'CONCH'

_NOT_VISUAL = ('text.', 'text_decoder.', 'logit_scale')
_RENAMES = (
    (r'^visual\.', ''),
    (r'^trunk\.', ''),
    (r'^ln_contrast\.', 'fc_norm.'),
    (r'^attn_pool_contrast\.', 'attn_pool.'),
    # version 1.5 writes the pooler's attention out, without biases
    (r'^attn_pool\.to_q\.weight$', 'attn_pool.attn.q_proj_weight'),
    (r'^attn_pool\.to_out\.', 'attn_pool.attn.out_proj.'),
)
_KEYS_AND_VALUES = 'attn_pool.to_kv.weight'


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys have CONCH's pooler for contrast, of version 1 or 1.5."""
    return any(f'{prefix}attn_pool_contrast.query' in state for prefix in ('', 'visual.'))


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To the names of `cite.encoders.towers.pooled_vit`."""
    out = rename(drop(state, _NOT_VISUAL), _RENAMES)
    joined = out.pop(_KEYS_AND_VALUES, None)
    if joined is not None:
        keys, values = joined.chunk(2)
        out['attn_pool.attn.k_proj_weight'] = keys
        out['attn_pool.attn.v_proj_weight'] = values
    projection = out.pop('proj_contrast', None)
    if projection is not None:
        out['head.weight'] = projection.T  # CONCH multiplies from the right
    return out
