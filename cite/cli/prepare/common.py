"""What the kinds of `cite prepare` share: how a kind is told, the options of a split, bad images."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cite.cli.parsing import count, seed
from cite.errors import DataError

if TYPE_CHECKING:
    from cite.data.verify import BadImage

SHOTS = (1, 2, 4, 8, 16)


class Kind(NamedTuple):
    """A kind of data: its name on the command line, its arguments, and what runs."""

    name: str
    help: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that decide a split, and those of reading images."""
    parser.add_argument(
        '--eval-fraction',
        type=float,
        default=0.8,
        help="share of each class's slides that evaluate (default: 0.8)",
    )
    parser.add_argument('--seed', type=seed, default=0, help='which slides (default: 0)')
    parser.add_argument(
        '--max-patches-per-slide',
        type=count,
        metavar='N',
        help='patches of a training slide at most, chosen by the seed (evaluation takes all)',
    )
    parser.add_argument(
        '--skip-bad', action='store_true', help='leave out images that cannot be read'
    )
    parser.add_argument(
        '--workers', type=count, default=4, help='threads that read images (default: 4)'
    )


def settle_bad(bad: Sequence[BadImage], total: int, where: object, skip: bool) -> str:
    """A line that says which images are left out; '' where none is.

    Raises:
        DataError: there are some, and they were not to be left out.
    """
    from cite.data.table import some

    said = [
        entry.reason if entry.file in entry.reason else f'{entry.file}: {entry.reason}'
        for entry in bad[:5]
    ]
    names = some(said, len(bad))
    if bad and not skip:
        raise DataError(
            f'{where}: {len(bad)} of {total} patches cannot be read: {names}. Mend them, or leave '
            'them out with --skip-bad'
        )
    return f'left out, {len(bad)} of {total} patches cannot be read: {names}' if bad else ''
