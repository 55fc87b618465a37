"""The command line: `cite VERB …`. One thin module per verb; the work is done elsewhere.

Bad input ends with exit code 2 and one line; `--debug` shows the traceback instead.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from cite import __version__
from cite.errors import CiteError

VERBS = ('prepare', 'train', 'test', 'predict', 'report', 'models', 'doctor')


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog='cite',
        description='Adapt frozen pathology encoders with a few trained weights and text anchors.',
    )
    parser.add_argument('--version', action='version', version=f'cite {__version__}')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for verb in VERBS:
        module = importlib.import_module(f'cite.cli.{verb}')
        sub = verbs.add_parser(
            verb,
            help=module.HELP,
            description=module.HELP,
            epilog=f'example:\n  {module.EXAMPLE}',
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.add_argument('--debug', action='store_true', help='show tracebacks')
        sub.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        args.run(args)
    except CiteError as error:
        if args.debug:
            raise
        print(f'cite {args.verb}: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'cite {args.verb}: interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:  # `cite models | head`
        sys.stderr.close()
        return 0
    return 0
