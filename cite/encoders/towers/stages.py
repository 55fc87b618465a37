"""How one kind of architecture is built and taken apart: embed → blocks → pool.

A tower runs these stages one by one, so that prompts, adapters, feature caching and partial training
are written once and not once per backbone. A new kind of architecture is a file in this folder with a
class that registers itself; a card names it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from cite.registry import Registry

if TYPE_CHECKING:
    from cite.encoders.card import Card

STAGES = Registry('kind of tower', 'cite.encoders.towers')


class Stages(ABC):
    """Base of all kinds.

    Args:
        card: The model.
        trunk: As `build` returned it, weights loaded.

    Attributes:
        blocks: What tunings count: the layers between embedding and pooling, first to last.
        width: Channels of a token that enters the first block.
        num_prefix_tokens: Leading tokens that stand for no patch (class token, registers).
        num_patches: Patch tokens that enter the first block; 0 where there are none.
        image_size: Side of the square input in pixels.
    """

    description: ClassVar[str]
    """What it is, for messages: 'a plain vision transformer'."""
    takes_prompts: ClassVar[bool] = False
    """Whether prompts can join: every block sees one sequence of tokens (B, prefix + patches, width), or it
    is `windowed`."""
    windowed: ClassVar[bool] = False
    """Whether blocks see a grid (B, rows, columns, channels) and attend within its windows: see `Swin`."""
    convolutional: ClassVar[bool] = False
    """Whether all of its blocks are convolutions on maps (B, channels, rows, columns)."""
    alternatives: ClassVar[str] = "LoRA, 'PixelPrompt', 'FullFineTuning' or no tuning"
    """What can tune it where prompts among the tokens cannot."""

    blocks: list[nn.Module]
    width: int
    num_prefix_tokens: int
    num_patches: int
    image_size: int

    def __init__(self, card: Card, trunk: nn.Module) -> None:
        self.card = card
        self.trunk = trunk

    @classmethod
    @abstractmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        """The architecture with random weights, for square images of that side in pixels."""

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → what enters the first block."""

    def block(self, index: int, tokens: Tensor) -> Tensor:
        """What enters block `index` → what leaves it."""
        out: Tensor = self.blocks[index](tokens)
        return out

    def block_size(self, index: int) -> tuple[int, int]:
        """(patch tokens, channels) within block `index` of a tower that prompts can join."""
        return self.num_patches, self.width

    @abstractmethod
    def pool(self, tokens: Tensor) -> Tensor:
        """What leaves the last block → features (B, feature_dim), as the authors take them."""
