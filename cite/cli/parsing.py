"""What all verbs' arguments share: one line for bad ones, an example in the help, checked values."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Bad arguments end as every other bad input: exit code 2 and one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: error: {message}; see {self.prog} --help\n')


def add_command(commands: Any, name: str, help: str, example: str) -> Parser:
    """A verb (or a kind of one) with its help and an example of its use."""
    parser: Parser = commands.add_parser(
        name,
        help=help,
        description=help,
        epilog=f'example:\n  {example}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--debug', action='store_true', help='show tracebacks')


def count(text: str) -> int:
    """A whole number from 1."""
    return _whole(text, 1, 2**31 - 1)


def seed(text: str) -> int:
    """A whole number that NumPy and PyTorch take as a seed."""
    return _whole(text, 0, 2**32 - 1)


def _whole(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f'expected a whole number from {least} to {most}, found {text!r}'
        )
    return int(text)


def key_value(text: str) -> str:
    """KEY=VALUE, checked to have a key."""
    if not text.partition('=')[0] or '=' not in text:
        raise argparse.ArgumentTypeError(
            f'expected KEY=VALUE, found {text!r} (other arguments go in front of --cfg-options)'
        )
    return text
