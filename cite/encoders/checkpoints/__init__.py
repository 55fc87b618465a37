"""Official checkpoint layouts → the state dict of a tower's trunk, strictly.

One module per family, recognised by the keys in the file and not by its name. A converter renames
what it knows, drops the other towers of a pair, and passes everything else on unchanged. What a model's
card lists as left over is left aside then, and nothing else: a surprise ends up as an unexpected key
instead of vanishing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from cite.encoders.card import PosInterp
from cite.encoders.checkpoints import (
    dinov2,
    hf_clip,
    hf_dinov2,
    mmpretrain_vit,
    openai_clip,
    timm_vit,
)
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
    hf_clip,
    hf_dinov2,
    mmpretrain_vit,
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
        f'Known layouts: {", ".join(family.LAYOUT for family in FAMILIES)}'
    )


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
        CheckpointError: The layout is none of those known.
    """
    own = model.state_dict().keys()
    converted = {
        key: value.float() if value.is_floating_point() else value
        for key, value in find_family(state).convert(state, model).items()
        if not any(fnmatchcase(key, pattern) for pattern in leftovers) or key in own
    }
    return converted if pos_interp is None else fit_pos_embed(converted, model, pos_interp)
