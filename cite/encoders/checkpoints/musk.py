"""MUSK: BEiT-3's names, two transformers in one, whose layers are called A (images) and B (texts).

Wang et al., 'Image as a foreign language' (CVPR 2023), in torchscale's implementation. With only one kind
of input, either branch is a plain transformer with norms inside attention and MLP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from cite.encoders.checkpoints.renaming import drop, has_head, join, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'MUSK (BEiT-3)'
OFFSET = 2
"""Positions are counted from here, as in fairseq; the rows before are never used."""

_NOT_VISUAL = ('beit3.text_embed.', 'language_head.', 'logit_scale')
_RENAMES = (
    (r'^beit3\.', ''),
    (r'^vision_embed\.(cls_token|mask_token)$', r'\1'),
    (r'^vision_embed\.', 'patch_embed.'),
    (r'^encoder\.embed_positions\.weight$', 'pos_embed'),
    (r'^encoder\.layer_norm\.', 'norm.'),
    (r'^encoder\.layers\.', 'blocks.'),
    (r'\.self_attn_layer_norm\.', '.norm1.'),
    (r'\.final_layer_norm\.', '.norm2.'),
    (r'\.self_attn\.inner_attn_ln\.', '.attn.norm.'),
    (r'\.self_attn\.out_proj\.', '.attn.proj.'),
    (r'\.self_attn\.', '.attn.'),
    (r'\.ffn\.ffn_layernorm\.', '.mlp.norm.'),
    (r'\.ffn\.', '.mlp.'),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are BEiT-3's."""
    return 'beit3.encoder.embed_positions.A.weight' in state


def branch(state: Mapping[str, Tensor], letter: Literal['A', 'B']) -> dict[str, Tensor]:
    """What one kind of input passes through, in timm's names; the other branch's layers are dropped."""
    other = '.B.' if letter == 'A' else '.A.'
    own = {key.replace(f'.{letter}.', '.'): v for key, v in state.items() if other not in key}
    out = join(rename(own, _RENAMES), ('q_proj', 'k_proj', 'v_proj'), 'qkv')
    if 'pos_embed' in out:
        out['pos_embed'] = out['pos_embed'][OFFSET:].unsqueeze(0)
    return out


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To timm's names; the head of images is the model's, with zero bias, if it has one."""
    out = branch(drop(state, _NOT_VISUAL), 'A')
    head = out.pop('vision_head.weight', None)
    if head is not None:
        out['head.weight'] = head
        if has_head(model) and model.head.bias is not None:
            out['head.bias'] = head.new_zeros(len(head))
    return out
