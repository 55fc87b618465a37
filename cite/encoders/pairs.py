"""A pair by name or file: its two halves from the zoo, or one that was trained here."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cite.encoders.pair import Pair
from cite.encoders.pair_card import PairCard
from cite.encoders.pair_file import read_pair
from cite.encoders.text import FrozenTextEncoder, build_text_encoder
from cite.encoders.vision import load_vision
from cite.encoders.zoo import PAIRS
from cite.errors import ModelError


def load_pair(
    model: str | Path,
    vision: Mapping[str, Any] | None = None,
    text: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
) -> Pair:
    """A pair by name, or one that was trained here.

    Args:
        model: Name in the table ('clip-vit-b16'), or a `pair.safetensors`.
        vision, text: Options of the towers in place of the table's or the file's, such as
            `vision=dict(weights='ViT-B-16.pt')`.
        weights: File of both halves, or a folder with one: short for `vision=dict(weights=…)` and
            `text=dict(weights=…)`.

    Raises:
        ModelError: No such pair, or its weights cannot be had.
        CheckpointError: A file that is damaged or does not fit its base models.
    """
    both = {} if weights is None else {'weights': weights}
    vision, text = {**both, **(vision or {})}, {**both, **(text or {})}
    card = PAIRS.get(str(model))
    if card is None:
        path = Path(model).expanduser()
        if path.suffix == '.safetensors' or path.exists():
            return read_pair(path, vision, text)
        close = difflib.get_close_matches(str(model), PAIRS, n=1)
        hint = f'did you mean {close[0]}?' if close else f'known: {", ".join(PAIRS)}.'
        raise ModelError(
            f'unknown pair {str(model)!r}: {hint} See `cite models --kind pair`, or give the path of a '
            'pair.safetensors'
        )
    encoder = build_text_encoder({'model': card.text, **text})
    scale = scale_of(card, encoder)  # before the tower takes the encoder's model away
    tower = load_vision(**{'model': card.vision, **vision})
    pair = Pair(tower, encoder.tower(), scale=scale)
    pair.card = card
    return pair.eval()


def scale_of(card: PairCard, text: FrozenTextEncoder) -> float:
    """What multiplies the cosines of a published pair, from its card or the file of its text half."""
    if isinstance(card.scale, Path):
        return float(json.loads(card.scale.read_text(encoding='utf-8'))['scale'])
    if card.scale is None:
        return math.exp(text.provenance()['logit_scale'])
    return card.scale
