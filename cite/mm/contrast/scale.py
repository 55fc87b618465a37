"""The scale that a published pair was trained to, for training that goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cite.encoders.pairs import scale_of
from cite.encoders.text import build_text_encoder
from cite.encoders.zoo import PAIRS, find_card, find_text_card
from cite.errors import ConfigError


def published_scale(vision: Mapping[str, Any], text: Mapping[str, Any]) -> float:
    """What multiplies the cosines of the pair that two towers are the halves of.

    Args:
        vision, text: Specs of the towers, as `build_pair` takes them.

    Raises:
        ConfigError: They are no pair of the zoo.
        ModelError: The scale is in the text half's file, and that cannot be had.
    """
    card, half = find_card(str(vision['model'])), find_text_card(str(text.get('model')))
    names = card.name if card else vision['model'], half.name if half else text.get('model')
    pair = next((p for p in PAIRS.values() if (p.vision, p.text) == names), None)
    if pair is None:
        raise ConfigError(
            f"scale='own' is that of a published pair, and {names[0]} with {names[1]} is none: leave "
            'scale out, or give a number'
        )
    encoder = {key: value for key, value in text.items() if key != 'tuning'}
    return scale_of(pair, build_text_encoder(encoder))
