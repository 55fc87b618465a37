"""The model zoo: name → `Card`. A new model is one row in `cite/encoders/cards/`.

What is not in the zoo can still be named: `timm:<name>`, `hf-hub:<owner/repo>` or a local path, see
`get_card`.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from cite.encoders.card import Card
from cite.encoders.cards import clip, dinov2, tiny_tissue, vit
from cite.errors import ModelError

CARDS: dict[str, Card] = {
    card.name: card for family in (clip, dinov2, vit, tiny_tissue) for card in family.CARDS
}


def find_card(model: str) -> Card | None:
    """The card of a zoo name; None for any other name."""
    return CARDS.get(model)


def suggest(model: str, count: int = 5) -> list[str]:
    """Up to `count` names that a misspelt one may have meant, closest first.

    Also finds zoo models by their hub repository or timm name.
    """

    def plain(text: str) -> str:
        return ''.join(char for char in text.lower() if char.isalnum())

    names: dict[str, str] = {}
    for card in CARDS.values():
        for alias in (card.name, card.arch, card.source.repo if card.source else card.name):
            names.setdefault(plain(alias), card.name)
    close = difflib.get_close_matches(plain(model), names, n=count * 3, cutoff=0.6)
    return list(dict.fromkeys(names[alias] for alias in close))[:count]


def get_card(model: str) -> Card:
    """The card of any way to name a model.

    Args:
        model: A zoo name; 'timm:<name>' or a bare timm name; 'hf-hub:<owner/repo>' with a
            `config.json` in timm's layout; a local folder with such a config, or a weights file
            beside one.

    Raises:
        ModelError: No such model (close names are suggested), or not a model that fits.
    """
    from cite.encoders import timm_cards

    card = find_card(model)
    if card is not None:
        return card
    if model.startswith('hf-hub:'):
        return timm_cards.card_from_hub(model)
    if model.startswith('timm:') or timm_cards.is_timm_name(model):
        return timm_cards.card_from_timm(model)
    path = Path(model).expanduser()
    if path.exists() or model.startswith(('/', './', '../', '~')):
        return timm_cards.card_from_path(path)
    close = suggest(model)
    hint = f'did you mean {" or ".join(close)}?' if close else f'known: {", ".join(CARDS)}.'
    raise ModelError(
        f'unknown model {model!r}: {hint} Other models: timm:<name>, hf-hub:<owner/repo>, or the '
        'path of a folder with config.json and weights'
    )
