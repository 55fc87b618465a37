"""What the user of a migration asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """
    Attributes:
        original: Protocol 'original', with the published defects, instead of 'fixed'.
        model: Base model in place of the one that the old config names.
        weights: File of its weights.
        text_encoder: In place of the old config's.
        clip_pixels: The old pipeline is CLIP's own preprocessing, not the published one.
    """

    original: bool = False
    model: str | None = None
    weights: str | None = None
    text_encoder: str | None = None
    clip_pixels: bool = False
