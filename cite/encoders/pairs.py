"""The table of pairs: name → its two halves. A new one is a row."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cite.encoders.cards.tiny_tissue import FOLDER
from cite.encoders.pair import Pair
from cite.encoders.pair_file import read_pair
from cite.encoders.text import TEXT_ENCODERS, FrozenTextEncoder
from cite.encoders.vision import load_vision
from cite.errors import ModelError


@dataclass(frozen=True)
class PairCard:
    """A published pair whose features meet without a projection of ours.

    Attributes:
        vision: Zoo name of the vision half.
        text: Spec of the text half.
        scale: What multiplies the cosines: a number, a `pair.json` that says, or None where the text
            half's file does.
    """

    vision: str
    text: Mapping[str, Any]
    scale: float | Path | None


def _clip(name: str) -> PairCard:
    return PairCard(name, {'type': 'CLIPTextEncoder', 'model': name}, None)


PAIRS: dict[str, PairCard] = {
    'tiny-tissue': PairCard(
        'tiny-tissue', {'type': 'TextEncoder', 'model': 'tiny-tissue'}, FOLDER / 'pair.json'
    ),
    **{name: _clip(name) for name in ('clip-vit-b32', 'clip-vit-b16', 'clip-vit-l14')},
    'clip-vit-l14-336': _clip('clip-vit-l14-336'),
}


def load_pair(
    model: str | Path,
    vision: Mapping[str, Any] | None = None,
    text: Mapping[str, Any] | None = None,
) -> Pair:
    """A pair by name, or one that was trained here.

    Args:
        model: Name in the table ('clip-vit-b16'), or a `pair.safetensors`.
        vision, text: Options of the towers in place of the table's or the file's, such as
            `vision=dict(weights='ViT-B-16.pt')`.

    Raises:
        ModelError: No such pair, or its weights cannot be had.
        CheckpointError: A file that is damaged or does not fit its base models.
    """
    card = PAIRS.get(str(model))
    if card is None:
        path = Path(model).expanduser()
        if path.suffix == '.safetensors' or path.exists():
            return read_pair(path, vision, text)
        close = difflib.get_close_matches(str(model), PAIRS, n=1)
        hint = f'did you mean {close[0]}? ' if close else ''
        raise ModelError(
            f'unknown pair {str(model)!r}: {hint}Known: {", ".join(PAIRS)}; or the path of a '
            'pair.safetensors'
        )
    encoder: FrozenTextEncoder = TEXT_ENCODERS.build({**card.text, **(text or {})})
    scale = _scale(card, encoder)  # before the tower takes the encoder's model away
    tower = load_vision(**{'model': card.vision, **(vision or {})})
    return Pair(tower, encoder.tower(), scale=scale).eval()


def _scale(card: PairCard, text: FrozenTextEncoder) -> float:
    if isinstance(card.scale, Path):
        return float(json.loads(card.scale.read_text(encoding='utf-8'))['scale'])
    if card.scale is None:
        return math.exp(text.provenance()['logit_scale'])
    return card.scale
