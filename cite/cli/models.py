"""`cite models`: what can be named; one model's card."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cite.cli.parsing import add_debug
from cite.errors import ConfigError

HELP = (
    'list the vision backbones, text encoders and pairs that have a short name, or show one of them'
)
EXAMPLE = 'cite models --domain pathology --open\n  cite models uni2-h'

OTHERS = (
    'Also: timm:<name>, hf-hub:<owner/repo>, any text model by its hub id, and local folders.\n'
    '`cite models NAME` shows a model and how to get it.'
)
KINDS = ('vision', 'text', 'pair')
NARROW = 22  # of a licence; the card has it whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'name',
        nargs='?',
        default='',
        help='a short name shows its card; other text is searched for',
    )
    parser.add_argument('--kind', choices=KINDS, help='only vision, only text, only pairs')
    parser.add_argument('--domain', help='what it learned from: pathology, general, biomedical, …')
    parser.add_argument('--licence', help='a part of the licence: apache, mit')
    access = parser.add_mutually_exclusive_group()
    access.add_argument(
        '--gated', action='store_const', const=True, help='only with terms to be accepted first'
    )
    access.add_argument(
        '--open', dest='gated', action='store_const', const=False, help='only without'
    )
    parser.add_argument('--prompts', action='store_true', help='only what prompts can tune')
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.cli.model_page import page
    from cite.encoders.catalogue import KINDS as ROWS
    from cite.encoders.catalogue import Wanted, all_rows, named

    rest = {key: getattr(args, key) for key in ('kind', 'domain', 'licence', 'gated', 'prompts')}
    _check_domain(args.domain)
    exact = [row for row in named(args.name) if Wanted(**rest).fits(row)] if args.name else []
    found = [row for row in all_rows() if Wanted(text=args.name, **rest).fits(row)]
    if exact:
        print('\n\n'.join(page(row) for row in exact))
        others = dict.fromkeys(row.name for row in found if row.name != exact[0].name)
        if others:
            print(f'\nSee also: {", ".join(list(others)[:4])}')
        return
    if not found:
        raise ConfigError(_nothing(args.name, any(v not in (None, False) for v in rest.values())))
    terms = any(row.gated for row in found)
    for kind in KINDS:
        rows = [row for row in found if isinstance(row, ROWS[kind])]
        if rows:
            print_table(*table(kind, rows))
    if terms:
        print('* terms must be accepted first.')
    print(OTHERS)


def _nothing(name: str, filtered: bool) -> str:
    """Why nothing is shown."""
    from cite.encoders.catalogue import Wanted, all_rows, close_names

    if not name:
        return 'no model of the zoo fits all of these filters; `cite models` lists them all'
    if name.startswith(('timm:', 'hf-hub:')) or Path(name).expanduser().exists():
        return (
            f'{name} is no row of the zoo, and needs none: model={name} loads it, and '
            f'`cite doctor {name}` says whether it can be had'
        )
    if filtered and any(Wanted(text=name).fits(row) for row in all_rows()):
        return f'what has {name!r} in its name does not fit these filters'
    close = close_names(name)
    hint = f'did you mean {" or ".join(close)}?' if close else '`cite models` lists them all'
    return f'no short name has {name!r} in it{" with these filters" if filtered else ""}; {hint}'


def table(kind: str, rows: Sequence[Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heading and lines of the table of one kind."""
    from cite.encoders.catalogue import availability, tuned_by
    from cite.encoders.zoo import CARDS, TEXT_CARDS

    def common(row: Any) -> tuple[str, ...]:
        get = availability(row) + ('*' if row.gated else '')
        licence = row.licence if len(row.licence) <= NARROW else row.licence[: NARROW - 1] + '…'
        return row.domain, get, licence, ', '.join(tuned_by(row))

    last = ('domain', 'get', 'licence', 'tuned by')
    if kind == 'vision':
        head: tuple[str, ...] = ('vision backbone', 'dim', 'px', 'patch', *last)
        lines = [
            (r.name, str(r.feature_dim), str(r.image_size), str(r.patch_size), *common(r))
            for r in rows
        ]
    elif kind == 'text':
        head = ('text encoder', 'dim', 'pooling', *last)
        lines = [(r.name, str(r.dim), (r.pooling or 'own').split('_')[0], *common(r)) for r in rows]
    else:
        head = ('pair', 'dim', 'px', *last)
        lines = [
            (r.name, str(TEXT_CARDS[r.text].dim), str(CARDS[r.vision].image_size), *common(r))
            for r in rows
        ]
    return head, lines


def print_table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell."""
    rows = [head, *lines]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).rstrip())
    print()


def _check_domain(domain: str | None) -> None:
    from typing import get_args

    from cite.encoders.card import Domain

    if domain is not None and domain not in get_args(Domain):
        raise ConfigError(f'unknown domain {domain!r}; known: {", ".join(get_args(Domain))}')
