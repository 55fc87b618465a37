"""Official checkpoint layouts → the state dict of a tower's trunk, strictly.

One module per family, recognised by the keys in the file and not by its name. A converter renames
what it knows, drops the other towers of a pair, and passes everything else on unchanged. What a model's
card lists as left over is left aside then, and nothing else: a surprise ends up as an unexpected key
instead of vanishing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from cite.encoders.card import PosInterp
from cite.encoders.checkpoints import (
    bit,
    conch,
    dinov2,
    hf_clip,
    hf_dinov2,
    hf_swin,
    hf_vit,
    hipt,
    internimage,
    keep,
    medclip,
    mmpretrain_vit,
    moco_v3,
    musk,
    open_clip_timm,
    openai_clip,
    swin,
    timm_vit,
    torchvision,
)
from cite.encoders.checkpoints.causes import TEXT_ONLY, text_only
from cite.encoders.checkpoints.strict import load_strict
from cite.encoders.pos_embed import fit_pos_embed
from cite.errors import CheckpointError

if TYPE_CHECKING:
    from torch import nn

__all__ = ['FAMILIES', 'find_family', 'load_strict', 'to_timm']


class Family(Protocol):
    """What a family's module offers."""

    LAYOUT: str

    def matches(self, state: Mapping[str, Tensor]) -> bool: ...

    def convert(self, state: Mapping[str, Tensor], model: Any) -> dict[str, Tensor]: ...


FAMILIES: tuple[Family, ...] = (
    openai_clip,
    open_clip_timm,
    hf_clip,
    hf_dinov2,
    hf_vit,
    medclip,
    conch,
    keep,
    musk,
    hipt,
    hf_swin,
    swin,
    internimage,
    bit,
    torchvision,
    mmpretrain_vit,
    moco_v3,
    dinov2,
    timm_vit,
)


def find_family(state: Mapping[str, Tensor]) -> Family:
    """The family whose keys these are; CheckpointError if none."""
    for family in FAMILIES:
        if family.matches(state):
            return family
    raise CheckpointError(
        f'unknown checkpoint layout: {len(state)} keys such as {", ".join(list(state)[:5])}. '
        f'{_hint(state)}'
    )


def _hint(state: Mapping[str, Tensor]) -> str:
    if text_only(state):
        return TEXT_ONLY
    parts = (key.split('.') for key in state)
    for prefix in dict.fromkeys(
        f'{".".join(p[:n])}.' for p in parts for n in range(1, min(len(p), 4))
    ):
        inside = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        family = next((family for family in FAMILIES if family.matches(inside)), None)
        if family is not None:
            return f'Behind {prefix!r} the names are those of {family.LAYOUT}: save that part alone'
    return f'Known layouts: {", ".join(family.LAYOUT for family in FAMILIES)}'


def to_timm(
    state: Mapping[str, Tensor],
    model: nn.Module,
    pos_interp: PosInterp | None = None,
    leftovers: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Convert a state dict of any known family to the names and float32 of a tower's trunk.

    Args:
        state: As `read_state` returns it.
        model: The target; asked for its head, registers and grid only, never changed.
        pos_interp: How to resize `pos_embed` where the grids differ; None leaves it as stored.
        leftovers: Patterns of names (as `Card.leftovers`) that are left aside, unless the model has them.

    Raises:
        CheckpointError: The layout is none of those known, and not the trunk's own.
    """
    own = model.state_dict().keys()

    def kept(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            key: value
            for key, value in named.items()
            if key in own or not any(fnmatchcase(key, pattern) for pattern in leftovers)
        }

    named = kept(state)
    if named.keys() != own and not _mostly(own, state):
        named = kept(find_family(state).convert(state, model))
    converted = {k: v.float() if v.is_floating_point() else v for k, v in named.items()}
    return converted if pos_interp is None else fit_pos_embed(converted, model, pos_interp)


def _mostly(own: Set[str], state: Mapping[str, Tensor]) -> bool:
    """Whether no family has these keys, yet most are the model's own; the strict loader names the rest."""
    known = any(family.matches(state) for family in FAMILIES)
    return not known and 2 * len(own & state.keys()) > len(own)
