"""The command line: `cite VERB …`. One thin module per verb; the work is done elsewhere.

Bad input ends with exit code 2 and one line; `--debug` shows the traceback instead. The modules of
the verbs import what they need when they run, so that help and mistakes are quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from cite import __version__
from cite.cli.parsing import Parser, add_command
from cite.errors import CiteError

VERBS = (
    'prepare',
    'train',
    'test',
    'baseline',
    'fewshot',
    'predict',
    'explain',
    'features',
    'zeroshot',
    'probe',
    'retrieve',
    'quality',
    'contrast',
    'slide',
    'demo',
    'report',
    'export',
    'models',
    'doctor',
    'migrate',
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        code: int | None = args.run(args)  # doctor has one of its own
        sys.stdout.flush()  # a pipe that was closed is noticed here
    except KeyboardInterrupt:
        print(f'cite {args.verb}: interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:  # `cite models | head`
        # Python flushes once more when it exits, and would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CiteError, OSError) as error:
        if args.debug:
            raise
        print(f'cite {args.verb}: error: {one_line(error)}', file=sys.stderr)
        return 2
    return code or 0


def build_parser() -> Parser:
    """The parser of all verbs; parsed arguments hold the function to run in `run`."""
    parser = Parser(
        prog='cite',
        description='Adapt frozen pathology encoders with a few trained weights and text anchors.',
    )
    parser.add_argument('--version', action='version', version=f'cite {__version__}')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for verb in VERBS:
        module = importlib.import_module(f'cite.cli.{verb}')
        sub = add_command(verbs, verb, module.HELP, module.EXAMPLE)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def one_line(error: CiteError | OSError) -> str:
    """What happened, without the line breaks that some messages have."""
    if isinstance(error, OSError) and error.strerror:
        names = ' -> '.join(str(name) for name in (error.filename, error.filename2) if name)
        return f'{names}: {error.strerror}' if names else error.strerror
    lines = (str(error) or type(error).__name__).strip().splitlines()
    return ' '.join(line.strip() for line in lines)
