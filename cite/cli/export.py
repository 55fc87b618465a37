"""`cite export`: an adapter, merged into a file that needs no cite."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.cli.parsing import add_debug

HELP = 'merge an adapter into a plain timm checkpoint or an ONNX file'
EXAMPLE = 'cite export work_dirs/cite/adapter.safetensors --to onnx --out export'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('adapter', type=Path, help='adapter.safetensors')
    parser.add_argument(
        '--to',
        choices=('timm', 'onnx'),
        required=True,
        help='timm: the tower (and a linear head) as a folder for timm.create_model; '
        'onnx: the whole classifier, from pixels to logits',
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to write; new or empty')
    parser.add_argument('--model', help='base model under another name or path')
    parser.add_argument('--weights', type=Path, help="file with the base model's weights")
    parser.add_argument(
        '--allow-derivatives',
        action='store_true',
        help='merge weights whose licence forbids derivatives; you need the permission of their owners',
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.serving.export import export

    exported = export(
        args.adapter, args.to, args.out, args.model, args.weights, args.allow_derivatives
    )
    print(f'{exported.file}: largest difference {exported.difference:.1e}')
    print(f'terms: {exported.terms}')
