"""`cite predict`: an adapter on new patches."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.cli.inference import add_inference_arguments, image_files
from cite.cli.parsing import add_debug

HELP = 'classify patches with a trained adapter'
EXAMPLE = 'cite predict work_dirs/cite/adapter.safetensors patches/*.jpg --out scores.csv'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('adapter', type=Path, help='adapter.safetensors')
    parser.add_argument('images', type=Path, nargs='+', help='image files, or folders of them')
    parser.add_argument('--model', help='base model under another name or path')
    parser.add_argument('--weights', type=Path, help="file with the base model's weights")
    parser.add_argument('--out', type=Path, help='CSV to write')
    parser.add_argument(
        '--slide-pattern',
        help='regular expression with a group (?P<slide>...), searched in the paths (default: what '
        'stands before the first underscore of the file name)',
    )
    add_inference_arguments(parser)
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    files = image_files(args.images)
    slides = None
    if args.slide_pattern is not None:
        from cite.data.slide_names import slides_from_names

        names = [file.as_posix() for file in files]
        slides = slides_from_names(names, args.slide_pattern, 'the images')

    from cite.serving import load

    classifier = load(args.adapter, args.model, args.weights, args.device)
    result = classifier.predict(files, args.batch_size, slides, True, args.workers)
    if args.out:
        result.to_csv(args.out)
        print(f'{len(files)} patches in {args.out}')
    else:
        print(result)
    if not result.votes:
        print('no slide in the names of the files, so no votes of slides: give --slide-pattern')
