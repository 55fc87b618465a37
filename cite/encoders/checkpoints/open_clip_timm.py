"""open_clip's names for a pair whose vision half is a timm ViT: BiomedCLIP, QuiltNet-B-16-PMB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import drop, has_head, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'open_clip with a timm ViT'

_NOT_VISUAL = ('text.', 'logit_scale', 'logit_bias')
_PROJECTION = 'visual.head.proj.weight'


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are a timm ViT's under `visual.trunk.`, with a linear projection."""
    return {'visual.trunk.blocks.0.norm1.weight', _PROJECTION} <= state.keys()


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To timm's names; the projection becomes the head, with zero bias, if `model` has a head."""
    out = drop(state, _NOT_VISUAL)
    projection = out.pop(_PROJECTION)
    out = rename(out, ((r'^visual\.trunk\.', ''),))
    if has_head(model):
        out['head.weight'] = projection
        if model.head.bias is not None:
            out['head.bias'] = projection.new_zeros(projection.shape[0])
    return out
