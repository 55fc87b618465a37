"""The model zoo: name → card. A new model is one row in a file of `cite/encoders/cards/`.

What is not in the zoo can still be named: `timm:<name>`, `hf-hub:<owner/repo>` or a local path, see
`get_card`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, get_args

from cite.encoders import cards
from cite.encoders.card import Card, Domain, Published, Source
from cite.encoders.pair_card import PairCard
from cite.encoders.text_card import TextCard
from cite.errors import ModelError

Row = TypeVar('Row', bound=Published)


def _rows() -> Iterable[Published]:
    """Every row of every file in the folder."""
    for module in pkgutil.iter_modules(cards.__path__):
        yield from importlib.import_module(f'{cards.__name__}.{module.name}').CARDS


def _table(rows: Iterable[Published], kind: type[Row]) -> dict[str, Row]:
    table: dict[str, Row] = {}
    for row in rows:
        if isinstance(row, kind) and table.setdefault(row.name, row) is not row:
            raise ModelError(f'two rows of the zoo are called {row.name!r}')
    return table


def _place(row: Published) -> tuple[int, str]:
    """In lists: by what it learned from, then by name."""
    return get_args(Domain).index(row.domain), row.name


ROWS = tuple(sorted(_rows(), key=_place))
CARDS: dict[str, Card] = _table(ROWS, Card)
TEXT_CARDS: dict[str, TextCard] = _table(ROWS, TextCard)
PAIRS: dict[str, PairCard] = _table(ROWS, PairCard)


def find_card(model: str) -> Card | None:
    """The card of a zoo name, or of a hub repository ('hf-hub:owner/repo') that is in the zoo.

    A revision ('hf-hub:owner/repo@commit') is kept. None for any other name.
    """
    if model in CARDS:
        return CARDS[model]
    repo, _, revision = model.removeprefix('hf-hub:').partition('@')
    for card in CARDS.values():
        if card.source is not None and card.source.repo == repo:
            return _at(card, card.source, revision)
    return None


def _at(card: Card, source: Source, revision: str) -> Card:
    return replace(card, source=replace(source, revision=revision)) if revision else card


def text_half(vision: str) -> str | None:
    """The text row that goes with a vision row (by name or hub repository) in a pair; None without one."""
    card = find_card(vision)
    name = card.name if card else vision
    return next((pair.text for pair in PAIRS.values() if pair.vision == name), None)


def find_text_card(model: str) -> TextCard | None:
    """The card of a zoo name, an alias or a hub repository in the zoo; None for anything else."""
    if model in TEXT_CARDS:
        return TEXT_CARDS[model]
    return next((c for c in TEXT_CARDS.values() if model in (c.hub, *c.aliases)), None)


def suggest(model: str, count: int = 5) -> list[str]:
    """Up to `count` names that a misspelt one may have meant, closest first.

    Also finds zoo models by their hub repository or timm name.
    """

    def plain(text: str) -> str:
        return ''.join(char for char in text.lower() if char.isalnum())

    names: dict[str, str] = {}
    for card in CARDS.values():
        repo = card.source.repo if card.source else None
        for alias in (card.name, card.arch, repo or card.name):
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
    if find_text_card(model) is not None:
        raise ModelError(f'{model} is a text encoder, no vision model: load it with load_text')
    close = suggest(model)
    hint = f'did you mean {" or ".join(close)}?' if close else 'see `cite models`.'
    raise ModelError(
        f'unknown model {model!r}: {hint} Other models: timm:<name>, hf-hub:<owner/repo>, or the '
        'path of a folder with config.json and weights'
    )
