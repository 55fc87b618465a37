"""`cite models`: what can be named."""

from __future__ import annotations

import argparse

HELP = 'list the vision backbones and text encoders that have a short name'
EXAMPLE = 'cite models clip'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('filter', nargs='?', default='', help='show names with this in them')


def run(args: argparse.Namespace) -> None:
    from cite.encoders.text.zoo import TEXT_CARDS
    from cite.encoders.zoo import CARDS

    rows: list[tuple[str, ...]] = [('vision backbone', 'feature', 'image', 'licence', 'from')]
    rows += [
        (
            c.name,
            str(c.feature_dim),
            str(c.image_size),
            c.licence,
            c.source.repo if c.source else '-',
        )
        for c in CARDS.values()
        if args.filter in c.name
    ]
    _print(rows)
    print()
    rows = [('text encoder', 'pooling', 'licence', 'from')]
    rows += [
        (name, c.pooling or 'auto', c.licence, c.hub or '-')
        for name, c in TEXT_CARDS.items()
        if args.filter in name
    ]
    _print(rows)
    print('\nAlso: timm:<name>, hf-hub:<owner/repo>, any BERT-type hub id, and local folders.')


def _print(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
