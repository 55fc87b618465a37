"""What there is to know of a published pair: its halves, its scale, its prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cite.encoders.card import Published


@dataclass(frozen=True, kw_only=True)
class PairCard(Published):
    """A vision and a text tower whose features meet without a projection of ours.

    Attributes:
        vision, text: Rows of the zoo for its halves.
        scale: What multiplies the cosines: a number, a `pair.json` that says, or None where the text
            half's file does.
        templates: Sentences around a class name ('{}') that its authors use for zero-shot
            classification.
        templates_from: Where those are stated.
    """

    vision: str
    text: str
    scale: float | Path | None = None
    templates: tuple[str, ...] = ()
    templates_from: str = ''
