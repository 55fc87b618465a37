"""`cite demo`: a page in the browser, served on loopback."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.cli.parsing import add_debug, count

HELP = 'try models in the browser: patches, a folder of images, slides'
EXAMPLE = 'cite demo --adapter work_dirs/quickstart/adapter.safetensors --slides slides'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--model',
        nargs='+',
        default=['tiny-tissue'],
        metavar='PAIR',
        help='pairs, by name or as pair.safetensors; the first one searches --folder (default: '
        'tiny-tissue, which comes with cite and knows drawn tissue only)',
    )
    parser.add_argument(
        '--adapter', nargs='+', type=Path, default=[], metavar='FILE', help='adapter.safetensors'
    )
    parser.add_argument('--folder', type=Path, metavar='IMAGES', help='images to search')
    parser.add_argument('--slides', type=Path, metavar='DIR', help='slides to choose from')
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: what there is)')
    where = parser.add_argument_group('where it listens')
    where.add_argument(
        '--host',
        default='127.0.0.1',
        help='default: 127.0.0.1, which only this machine reaches. Another address opens the page to '
        'others, without a password',
    )
    where.add_argument('--port', type=port, default=7860, help='default: 7860; 0: any free one')
    where.add_argument(
        '--max-upload-mb', type=count, default=200, metavar='MB', help='of a file (default: 200)'
    )
    where.add_argument('--no-browser', action='store_true', help='do not open a browser')
    where.add_argument(
        '--check', action='store_true', help='load and build all of it, serve nothing, and end'
    )
    add_debug(parser)


def port(text: str) -> int:
    """0 to 65535."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'expected a port from 0 to 65535, found {text!r}')
    return int(text)


def run(args: argparse.Namespace) -> None:
    from cite.demo.settings import Settings

    settings = Settings(
        pairs=tuple(args.model),
        adapters=tuple(args.adapter),
        folder=args.folder,
        slides=args.slides,
        host=args.host,
        port=args.port,
        max_upload_mb=args.max_upload_mb,
        device=args.device,
    )
    from cite.demo.serve import page_of, served, wait, warn_of

    warn_of(settings)
    if args.check:
        with page_of(settings):
            print('the page is ready; without --check it is served')
        return
    with served(settings, browser=not args.no_browser) as address:
        print(f'{address} (Ctrl-C ends it)', flush=True)
        wait()
