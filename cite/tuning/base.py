"""What a tuning is: the few weights that train inside a frozen tower, and where they act."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.registry import Registry

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

TUNINGS = Registry('tuning', 'cite.tuning', 'cite.legacy')

PIXELS, EMBED, BEHIND = -2, -1, sys.maxsize
"""Numbers of stages: the normalised image, the patch embedding, then blocks 0, 1, …, the pooling (as many
as there are blocks), and what comes behind the feature."""


class Tuning(nn.Module):
    """Base of all tunings, and the one that changes nothing ('none').

    A vision tower calls `attach` once; then, in every forward pass and in this order, `before_embed` with
    the normalised images, `start` with the embedded tokens, `before_block` and `run_block` for each block,
    `after_blocks` in front of the pooling, and `after_pool`. A text tower calls `attach` once; then, in
    every forward pass, `before_text` and, behind its model, `after_text`.
    """

    paper: ClassVar[str] = ''
    """Where the method comes from, short form."""
    group: ClassVar[str] = 'tower'
    """The optimiser's group that its weights are in: 'prompt', 'peft' or 'tower'."""
    trains_all: bool = False
    """Whether the whole tower trains, dropout and batch statistics included."""
    reads_images: bool = False
    """Whether `after_pool` looks at the images, so that features alone cannot stand for them."""

    def attach(self, tower: VisionTower | TextTower) -> None:
        """Creates weights in the tower's sizes, or unfreezes some of the tower's own.

        Raises:
            ConfigError: A tower that this tuning has no place in.
        """

    @property
    def first_stage(self) -> int | None:
        """The first stage whose output depends on a trained weight; None where no stage does.

        Everything in front of it is computed without gradients.
        """
        return None

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """How many weights train in that tower, by the method's formula: from sizes, not by counting.

        The towers' tests compare it with what trains.
        """
        return 0

    def owns(self, name: str) -> bool:
        """Whether a trained weight of the tower, 'trunk.…' or 'tuning.…', trains because of this tuning."""
        return name.startswith('tuning.')

    def group_of(self, name: str) -> str:
        """The optimiser's group of a weight, named as for `lr_factor`."""
        return self.group

    def lr_factor(self, name: str) -> float:
        """By what the learning rate of a weight is multiplied.

        Args:
            name: Of the weight in the tower: 'trunk.blocks.0.…', 'tuning.…'.
        """
        return 1.0

    def before_embed(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → those that the tower embeds, of the same shape."""
        return images

    def start(self, tokens: Tensor) -> None:
        """Sees the embedded tokens (B, N, C) of a batch before the first block."""

    def before_block(self, index: int, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) that enter block `index` → tokens that enter it instead."""
        return tokens

    def run_block(self, index: int, tokens: Tensor, run: Callable[[int, Tensor], Tensor]) -> Tensor:
        """What enters block `index` → what leaves it.

        Args:
            run: The block itself: (index, tokens) → tokens.
        """
        return run(index, tokens)

    def after_blocks(self, tokens: Tensor) -> Tensor:
        """Takes out what `before_block` put in, so that pooling sees the tower's own tokens."""
        return tokens

    def after_pool(self, features: Tensor, images: Tensor) -> Tensor:
        """Features (B, D) → features (B, D).

        Args:
            images: The normalised images (B, 3, H, W), as they were before `before_embed`.
        """
        return features

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
        trunk.train(training and self.trains_all)

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        """State of a tower's trunk → the weights that it was loaded with, under their own names.

        For tunings that put layers into the trunk; the others leave it as it is.
        """
        return state

    def merged_state(self, trunk: nn.Module) -> dict[str, Tensor]:
        """The state of a plain model of the tower's architecture that computes what the tuned tower does.

        Raises:
            ConfigError: A tuning whose weights act beside the model's own layers.
        """
        if next(self.parameters(), None) is not None:
            raise ConfigError(
                f'{type(self).__name__} acts beside the layers of the model, and cannot be merged into '
                'them. Export the whole classifier to ONNX instead'
            )
        return trunk.state_dict()

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Its spec in a config → the spec under which an adapter holds it; the same, as a rule."""
        return spec

    def __repr__(self) -> str:
        """On one line, its layers left out: records of runs name a tuning by it."""
        return f'{type(self).__name__}({self.extra_repr()})'


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
        "A text tower takes 'LoRA' and its kin, adapters, 'TextPrompt', 'FullFineTuning' or 'NoTuning'"
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
        "A vision tower takes 'VisualPrompt', 'LoRA' and its kin, adapters, 'FullFineTuning' or 'NoTuning'"
    )
