"""What a config or a model needs: known names, weights at hand or to be had, data that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cite.cli.finding import Finding, failed, passed
from cite.errors import CiteError, ConfigError, ModelError


def check_for(target: str) -> Callable[[], Iterator[Finding]]:
    """The check that a word on the command line asks for; it runs when it is called.

    Raises:
        ConfigError: Neither a model nor a config.
    """
    from cite.encoders.catalogue import close_names, named
    from cite.paths import find_config

    if named(target):
        return lambda: _named(target)
    if target.startswith(('timm:', 'hf-hub:')):
        return lambda: check_vision({'model': target})
    try:
        path = find_config(target)
    except ConfigError as error:
        close = close_names(target)
        if not close or target.endswith('.py') or 'Did you mean' in str(error):
            raise
        raise ConfigError(
            f'there is no config and no model {target!r}; did you mean the model {" or ".join(close)}?'
        ) from error
    return lambda: check_config(path)


def _named(name: str) -> Iterator[Finding]:
    from cite.encoders.card import Card
    from cite.encoders.catalogue import named
    from cite.encoders.pair_card import PairCard

    seen = set()
    for row in named(name):
        halves = [('vision', row.vision), ('text', row.text)] if isinstance(row, PairCard) else []
        own = [('vision' if isinstance(row, Card) else 'text', row.name)]
        for side, half in halves or own:
            if (side, half) not in seen:
                seen.add((side, half))
                yield from (check_vision if side == 'vision' else check_text)({'model': half})


def check_config(path: Path) -> Iterator[Finding]:
    """The models and the data that a config names."""
    from cite.mm.launch import load_config

    try:
        cfg = load_config(path)
    except CiteError as error:
        yield failed(f'config {path}: {error}')
        return
    yield passed(f'config {path}')
    model = cfg.get('model') or {}
    for key in ('backbone', 'vision'):
        if key in model:
            yield from check_vision(model[key])
    encoder = model.get('text') or (model.get('head') or {}).get('text_encoder')
    if encoder is not None:
        spec = {'model': encoder} if isinstance(encoder, str) else dict(encoder)
        spec.setdefault('model', (model.get('backbone') or {}).get('model'))
        yield from check_text(spec)
    yield from _data(cfg)


def check_vision(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A vision tower: known, licence, weights."""
    from cite.encoders.zoo import get_card

    name = str(spec.get('model'))
    try:
        card = get_card(name)
    except (CiteError, OSError) as error:
        yield failed(f'vision {name}: {error}')
        return
    yield _licence('vision', card)
    if spec.get('pretrained') is False:
        yield passed(f'weights of {name}: random, as asked for')
    else:
        yield _weights(card, spec.get('weights'))


def check_text(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A text encoder: known, licence, weights."""
    from cite.encoders.card import Source
    from cite.encoders.text.hub import source_of
    from cite.encoders.text_card import TextCard
    from cite.encoders.zoo import find_text_card

    name = str(spec.get('model'))
    card = find_text_card(name)
    if card is not None:
        yield _licence('text', card)
    folder = Path(source_of(card, spec.get('revision')) if card else name).expanduser()
    if folder.is_dir():
        lacks = '' if (folder / 'config.json').is_file() else 'config.json'
        what = f'weights of {name}: {folder}'
        yield failed(f'{what} lacks {lacks}') if lacks else passed(what)
        return
    if card is None:
        if name.startswith(('/', '.', '~')) or name.count('/') != 1:
            yield failed(
                f'text {name}: no such folder, and no hub id',
                'see `cite models --kind text`',
            )
            return
        card = TextCard(name=name, licence='see its page', citation='', dim=0, source=Source(name))
        yield _licence('text', card)
    yield _weights(card, spec.get('weights'))


def _licence(side: str, card: Any) -> Finding:
    from cite.encoders.catalogue import licence_warnings

    forbids = licence_warnings(card.licence)
    return passed(
        f'{side} {card.name}: licence {card.licence}'
        + (f' ({", ".join(forbids)})' if forbids else '')
    )


def _weights(card: Any, weights: str | None) -> Finding:
    """Whether the weights are here or can be had; asks the hub once where they are not here."""
    from cite.encoders.files.availability import find_weights

    try:
        return passed(f'weights of {card.name}: {find_weights(card, weights)}')
    except (ModelError, ConfigError) as error:
        return failed(str(error))


def _data(cfg: Any) -> Iterator[Finding]:
    """Folder and files of every data set, each once."""
    seen = set()
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = (cfg.get(loader) or {}).get('dataset') or {}
        root = Path(dataset.get('data_root') or cfg.get('data_root') or '').expanduser()
        for key in ('ann_file', 'data_prefix', 'shards', 'split_dir'):
            value = dataset.get(key)
            if not isinstance(value, str) or not value:
                continue
            pattern = '*' in value
            there = any(root.glob(value)) if pattern else (root / value).exists()
            if (root / value) in seen:
                continue
            seen.add(root / value)
            name = f'data {root / value} ({loader.removesuffix("_dataloader")})'
            yield (
                passed(name)
                if there
                else failed(
                    f'{name} is not there',
                    f'prepare it, or set {loader}.dataset.{key} or data_root',
                )
            )
