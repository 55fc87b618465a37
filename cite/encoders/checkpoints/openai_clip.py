"""OpenAI's and open_clip's names: a whole CLIP (`visual.*` and text) or its visual tower alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import drop, has_head, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'OpenAI / open_clip CLIP with a ViT'

# the text tower, and numbers that OpenAI's archives carry along
_NOT_VISUAL = (
    'transformer.',
    'token_embedding.',
    'positional_embedding',
    'ln_final.',
    'text_projection',
    'text.',
    'text_encoder.',
    'logit_scale',
    'logit_bias',
    'attn_mask',
    'input_resolution',
    'context_length',
    'vocab_size',
)
_RENAMES = (
    (r'^visual\.', ''),
    (r'^conv1\.', 'patch_embed.proj.'),
    (r'^class_embedding$', 'cls_token'),
    (r'^positional_embedding$', 'pos_embed'),
    (r'^ln_pre\.', 'norm_pre.'),
    (r'^ln_post\.', 'norm.'),
    (r'^transformer\.resblocks\.', 'blocks.'),
    (r'\.ln_([12])\.', r'.norm\1.'),
    (r'\.ls_([12])\.', r'.ls\1.'),
    (r'\.attn\.in_proj_', '.attn.qkv.'),
    (r'\.attn\.out_proj\.', '.attn.proj.'),
    (r'\.mlp\.c_fc\.', '.mlp.fc1.'),
    (r'\.mlp\.c_proj\.', '.mlp.fc2.'),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are a CLIP ViT's, with or without text tower."""
    return any({f'{p}class_embedding', f'{p}conv1.weight'} <= state.keys() for p in ('', 'visual.'))


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To timm's names; the projection becomes the head, with zero bias, if `model` has a head."""
    if 'visual.class_embedding' in state:
        state = drop(state, _NOT_VISUAL)
    out = rename(state, _RENAMES)
    out['cls_token'] = out['cls_token'].reshape(1, 1, -1)
    if 'pos_embed' in out:
        out['pos_embed'] = out['pos_embed'].unsqueeze(0)
    projection = out.pop('proj', None)
    if projection is not None and has_head(model):
        # CLIP multiplies from the right and has no bias, timm's head is a linear layer with one
        out['head.weight'] = projection.T
        if model.head.bias is not None:
            out['head.bias'] = projection.new_zeros(projection.shape[1])
    return out
