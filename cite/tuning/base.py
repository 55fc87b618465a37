"""What a tuning is: the few weights that train inside a frozen tower, and where they act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cite.registry import Registry

if TYPE_CHECKING:
    from cite.encoders.towers.vit import VisionTower

TUNINGS = Registry('tuning', 'cite.tuning', 'cite.legacy')

EMBED = -1
"""Stage number of the patch embedding; blocks are stages 0, 1, …."""


class Tuning(nn.Module):
    """Base of all tunings, and the one that changes nothing ('none').

    A tower calls, in this order: `attach` once; then, in every forward pass, `start` with the
    embedded tokens, `before_block` in front of each block, and `after_blocks` in front of the pooling.
    """

    def attach(self, tower: VisionTower) -> None:
        """Creates weights in the tower's sizes, or unfreezes some of the tower's own."""

    @property
    def first_stage(self) -> int | None:
        """The first stage whose output depends on a trained weight; None where no stage does.

        Everything in front of it is computed without gradients. `EMBED` means the whole tower.
        """
        return None

    def start(self, tokens: Tensor) -> None:
        """Sees the embedded tokens (B, N, C) of a batch before the first block."""

    def before_block(self, index: int, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) that enter block `index` → tokens that enter it instead."""
        return tokens

    def after_blocks(self, tokens: Tensor) -> Tensor:
        """Takes out what `before_block` put in, so that pooling sees the tower's own tokens."""
        return tokens

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Its spec in a config → the spec under which an adapter holds it; the same, as a rule."""
        return spec


@TUNINGS.register
class NoTuning(Tuning):
    """Nothing in the tower trains."""
