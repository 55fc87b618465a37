"""What a tuning is: the few weights that train inside a frozen tower, and where they act."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.registry import Registry

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

TUNINGS = Registry('tuning', 'cite.tuning', 'cite.legacy')

EMBED = -1
"""Stage number of the patch embedding; blocks are stages 0, 1, …."""


class Tuning(nn.Module):
    """Base of all tunings, and the one that changes nothing ('none').

    A vision tower calls, in this order: `attach` once; then, in every forward pass, `start` with the
    embedded tokens, `before_block` in front of each block, and `after_blocks` in front of the pooling.
    A text tower calls `attach` once; then, in every forward pass, `before_text` and, behind its model,
    `after_text`.
    """

    def attach(self, tower: VisionTower | TextTower) -> None:
        """Creates weights in the tower's sizes, or unfreezes some of the tower's own.

        Raises:
            ConfigError: A tower that this tuning has no place in.
        """

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

    def before_text(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a tokenizer made of a batch → the arguments that the text model is called with."""
        return tokens

    def after_text(self, output: Any) -> Any:
        """Takes out what `before_text` put in, so that pooling sees the text's own tokens.

        Args:
            output: What the text model returned.
        """
        return output

    def set_mode(self, trunk: nn.Module, training: bool) -> None:
        """Training mode or eval mode for the tower's own layers: eval, except where all of them train."""
        trunk.train(training and self.first_stage == EMBED)

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        """State of a tower's trunk → the weights that it was loaded with, under their own names.

        For tunings that put layers into the trunk; the others leave it as it is.
        """
        return state

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Its spec in a config → the spec under which an adapter holds it; the same, as a rule."""
        return spec


@TUNINGS.register
class NoTuning(Tuning):
    """Nothing in the tower trains."""


def vision_only(tuning: Tuning, tower: VisionTower | TextTower) -> VisionTower:
    """The tower, if it is one for images.

    Raises:
        ConfigError: It is a text tower.
    """
    from cite.encoders.text.tower import TextTower

    if not isinstance(tower, TextTower):
        return tower
    raise ConfigError(
        f'{type(tuning).__name__} tunes vision towers, and was given the text tower {tower.name}. '
        "A text tower takes 'NoTuning', 'FullFineTuning', 'LoRA' or 'TextPrompt'"
    )


def text_only(tuning: Tuning, tower: VisionTower | TextTower) -> TextTower:
    """The tower, if it is one for texts.

    Raises:
        ConfigError: It is a vision tower.
    """
    from cite.encoders.text.tower import TextTower

    if isinstance(tower, TextTower):
        return tower
    raise ConfigError(
        f'{type(tuning).__name__} tunes text towers, and was given the vision tower {tower.card.name}. '
        "A vision tower takes 'NoTuning', 'FullFineTuning', 'LoRA' or 'VisualPrompt'"
    )
