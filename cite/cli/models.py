"""`cite models`: what can be named."""

from __future__ import annotations

import argparse

from cite.cli.parsing import add_debug
from cite.errors import ConfigError

HELP = 'list the vision backbones, text encoders and pairs that have a short name'
EXAMPLE = 'cite models clip'

INSIDE = 'comes with cite'
OTHERS = 'timm:<name>, hf-hub:<owner/repo>, any BERT-type hub id, and local folders'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('filter', nargs='?', default='', help='show names with this in them')
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS

    wanted = args.filter.lower()
    vision = [card for card in CARDS.values() if wanted in card.name]
    text = {name: card for name, card in TEXT_CARDS.items() if wanted in name}
    pairs = {name: card for name, card in PAIRS.items() if wanted in name}
    if not vision and not text and not pairs:
        raise ConfigError(
            f'no short name has {args.filter!r} in it; `cite models` lists them all. Also: {OTHERS}'
        )
    if vision:
        rows: list[tuple[str, ...]] = [('vision backbone', 'feature', 'image', 'licence', 'from')]
        for c in vision:
            source = str(c.source.repo) if c.source else INSIDE if c.weights else '-'
            rows.append((c.name, str(c.feature_dim), str(c.image_size), c.licence, source))
        _print(rows)
    if text:
        rows = [('text encoder', 'pooling', 'licence', 'from')]
        for name, t in text.items():
            rows.append(
                (name, t.pooling or 'auto', t.licence, t.hub or (INSIDE if t.folder else '-'))
            )
        _print(rows)
    if pairs:
        rows = [('pair (cite.load_pair)', 'vision', 'text')]
        rows += [
            (name, p.vision, p.text) for name, p in pairs.items()
        ]
        _print(rows)
    print(f'Also: {OTHERS}')


def _print(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    print()
