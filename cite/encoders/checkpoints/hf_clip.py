"""transformers' CLIP names: `CLIPModel`, `CLIPVisionModelWithProjection`, `CLIPVisionModel`.

Hub files hold `vision_model.` in front; a `CLIPVisionModel` of transformers 5 in memory does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import openai_clip
from cite.encoders.checkpoints.renaming import drop, join, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'transformers CLIP'

_NOT_VISUAL = ('text_model.', 'text_projection.', 'logit_scale')
_TO_OPENAI = (
    (r'^vision_model\.', ''),
    (r'^embeddings\.class_embedding$', 'class_embedding'),
    (r'^embeddings\.patch_embedding\.', 'conv1.'),
    (r'^embeddings\.position_embedding\.weight$', 'positional_embedding'),
    (r'^pre_layrnorm\.', 'ln_pre.'),  # the misspelling is the library's
    (r'^post_layernorm\.', 'ln_post.'),
    (r'^encoder\.layers\.', 'transformer.resblocks.'),
    (r'\.layer_norm([12])\.', r'.ln_\1.'),
    (r'\.self_attn\.in_proj\.', '.attn.in_proj_'),
    (r'\.self_attn\.out_proj\.', '.attn.out_proj.'),
    (r'\.mlp\.fc1\.', '.mlp.c_fc.'),
    (r'\.mlp\.fc2\.', '.mlp.c_proj.'),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a CLIP vision tower in transformers."""
    return any(f'{p}embeddings.class_embedding' in state for p in ('', 'vision_model.'))


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To OpenAI's names, and on to timm's."""
    state = join(drop(state, _NOT_VISUAL), ('q_proj', 'k_proj', 'v_proj'), 'in_proj')
    openai = rename(state, _TO_OPENAI)
    openai.pop('embeddings.position_ids', None)  # 0, 1, 2 …, in files of before 2023
    if 'visual_projection.weight' in openai:
        openai['proj'] = openai.pop('visual_projection.weight').T
    return openai_clip.convert(openai, model)
