"""What there is to know of one text encoder: which class reads it, from where, how it pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cite.encoders.card import Published


@dataclass(frozen=True, kw_only=True)
class TextCard(Published):
    """One text encoder, as its authors use it.

    Attributes:
        encoder: Class that reads it, a name registered in `cite/encoders/text`.
        dim: Length of its vectors.
        pooling: What 'auto' means for it; None where the checkpoint decides.
        options: What the class gets besides model and pooling, such as the activation of a CLIP.
        folder: Where its files are, if they come with the library.
        aliases: Other names that mean it, such as a hub id that its authors gave up.
    """

    encoder: str = 'TextEncoder'
    dim: int
    pooling: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    folder: Path | None = None
    aliases: tuple[str, ...] = ()

    @property
    def hub(self) -> str | None:
        """Its repository on the Hugging Face hub."""
        return self.source.repo if self.source else None
