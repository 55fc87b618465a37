"""`cite predict`: an adapter on new patches."""

from __future__ import annotations

import argparse
from pathlib import Path

from cite.cli.parsing import add_debug, count
from cite.errors import DataError

HELP = 'classify patches with a trained adapter'
EXAMPLE = 'cite predict work_dirs/cite/adapter.safetensors patches/*.jpg --out scores.csv'

SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp', '.webp')


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
    parser.add_argument('--batch-size', type=count, default=32, help='patches computed at once')
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: what there is)')
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    files = _files(args.images)
    slides = None
    if args.slide_pattern is not None:
        from cite.data.slide_names import slides_from_names

        names = [file.as_posix() for file in files]
        slides = slides_from_names(names, args.slide_pattern, 'the images')

    from cite.serving import load

    classifier = load(args.adapter, args.model, args.weights, args.device)
    result = classifier.predict(files, args.batch_size, slides, progress=True)
    if args.out:
        result.to_csv(args.out)
        print(f'{len(files)} patches in {args.out}')
    else:
        print(result)
    if not result.votes:
        print('no slide in the names of the files, so no votes of slides: give --slide-pattern')


def _files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.rglob('*') if p.suffix.lower() in SUFFIXES)
        elif path.is_file():
            files.append(path)
        else:  # now, not when its batch is due
            raise DataError(f'{path}: no such file or folder')
    if not files:
        raise DataError(f'no images in {", ".join(map(str, paths))}; known: {", ".join(SUFFIXES)}')
    return files
