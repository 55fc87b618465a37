"""`cite zeroshot`: images classified by texts, without training."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cite.cli.featuring import add_feature_arguments, space_features, space_of
from cite.cli.parsing import add_debug
from cite.cli.sources import ImageSource, add_source_arguments, read_source
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.zeroshot import ClassTexts

HELP = 'classify images by texts, without training; tables and pictures of what came of it'
EXAMPLE = 'cite zeroshot patches --model plip --classes classes.txt'
POOLINGS = ('embeddings', 'cosines', 'max')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser, nargs='*')
    texts = parser.add_argument_group('what the classes are')
    texts.add_argument(
        '--classes',
        type=Path,
        metavar='FILE',
        help='.txt (a line per class: name, or name: text), .json ({class: [texts]}), .yaml or .csv '
        '(default: the labels are the texts)',
    )
    texts.add_argument(
        '--class',
        dest='class_lines',
        action='append',
        metavar='TEXT',
        help="a class, as a line of a .txt file has it; once for each, such as --class 'tumour: carcinoma'",
    )
    texts.add_argument(
        '--prompts',
        action='append',
        metavar='WHICH',
        help="model (default): those of the model's authors; the name of a set or a domain, none, a .txt "
        'or .yaml file, or a sentence with {} (may be repeated)',
    )
    texts.add_argument(
        '--prompts-domain',
        metavar='DOMAIN',
        help='kind of the images, such as pathology: its templates where none are known of the model',
    )
    texts.add_argument(
        '--pooling',
        choices=POOLINGS,
        default=POOLINGS[0],
        help='how the sentences of a class become one score: mean of their embeddings (default), mean of '
        'their cosines, or the largest cosine',
    )
    texts.add_argument(
        '--truncate', action='store_true', help='cut texts that are too long for the model'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/zeroshot'),
        help='folder to write (default: work_dirs/zeroshot)',
    )
    instead = parser.add_argument_group('instead').add_mutually_exclusive_group()
    instead.add_argument(
        '--list-prompts',
        action='store_true',
        help='list the sets of templates, or the templates of --prompts',
    )
    instead.add_argument(
        '--suite',
        metavar='FILE',
        help='many data sets under the folder SOURCE, as a .yaml file describes them, or unimed21',
    )
    add_feature_arguments(parser)
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    if args.list_prompts:
        print(_listed(args.prompts))
        return 0
    if args.suite is not None:
        return _suite(args)
    if not args.source:
        raise ConfigError('give the images: a folder, a manifest or files (or --suite FILE)')
    source = read_source(args)
    classes = _classes(args, source)
    if source.table is not None:
        classes.labels_of(source.table)  # mistakes are told before the work

    from cite.zeroshot import find, find_prompts, write_page, write_results, zero_shot
    from cite.zeroshot.run import class_vectors
    from cite.zeroshot.terminal import terminal_text

    space = space_of(args)
    try:
        prompts = find_prompts(args.prompts or 'model', space, args.prompts_domain)
    except ConfigError as error:
        raise ConfigError(f'--prompts: {error}') from error
    vectors = class_vectors(space, classes, prompts, args.truncate)
    features = space_features(args, space, source.files, source.names, args.out / 'features.npy')
    rows = _rows(features.names, source.names)
    table = None if source.table is None else source.table.subset(rows)
    scores = zero_shot(
        space, features.features, classes, prompts, args.pooling, args.truncate, vectors
    )
    kept = ('precision', 'question', 'skipped', 'versions')
    record = {**scores.record, 'features': {key: features.record.get(key) for key in kept}}
    scores = replace(scores, record=record)
    found = find(scores, features.names, [source.files[row] for row in rows], table)
    write_results(found, args.out)
    print(terminal_text(found, write_page(found, args.out)))
    return 0


def _suite(args: argparse.Namespace) -> int:
    if len(args.source) != 1:
        raise ConfigError(
            f'--suite takes one SOURCE, the folder that its data sets are under; found {len(args.source)}'
        )
    for name in ('classes', 'class_lines', 'prompts_domain', 'features', 'root', 'split'):
        if getattr(args, name) is not None:
            option = '--class' if name == 'class_lines' else f'--{name.replace("_", "-")}'
            raise ConfigError(
                f'{option} does not go with --suite, whose file says it of each data set'
            )
    from cite.zeroshot.suite import run_suite

    asked = args.prompts or ['model']
    result = run_suite(
        args.suite,
        args.source[0],
        space_of(args),
        args.out,
        prompts=asked[0] if len(asked) == 1 else asked,
        pooling=args.pooling,
        truncate=args.truncate,
        skip_bad=args.skip_bad,
        batch_size=args.batch_size,
        precision=args.precision,
        workers=args.workers,
    )
    print('\n'.join(result.lines()))
    return result.exit_code


def _classes(args: argparse.Namespace, source: ImageSource) -> ClassTexts:
    """From --classes, --class or the labels.

    Raises:
        ConfigError: None of them, or more than one.
    """
    from cite.zeroshot import classes_of_lines, classes_of_names, read_classes

    if args.classes is not None and args.class_lines:
        raise ConfigError('--classes and --class both say what the classes are; give one of them')
    if args.classes is not None:
        return read_classes(args.classes)
    if args.class_lines:
        return classes_of_lines(args.class_lines, '--class')
    if source.table is None:
        raise ConfigError(
            'the images have no labels that could be the classes; give --classes FILE, or --class TEXT '
            'once for each class'
        )
    return classes_of_names(source.table.classes, str(source.table.source))


def _rows(kept: list[str], names: list[str]) -> list[int]:
    """Which of the names were kept, in their order; a name may stand there more than once."""
    rows, start = [], 0
    for name in kept:
        start = names.index(name, start) + 1
        rows.append(start - 1)
    return rows


def _listed(prompts: list[str] | None) -> str:
    from cite.zeroshot import find_prompts, prompt_sets

    if prompts:
        found = find_prompts(prompts)
        return '\n'.join([f'{found.name} ({found.domain}): {found.source}', *found.templates])
    lines = []
    for own in prompt_sets().values():
        count = len(own.templates)
        head = f'{own.name} ({own.domain}, {count} template{"s" if count > 1 else ""}): '
        lines.append(textwrap.fill(head + own.source, 100, subsequent_indent='    '))
    lines.append('their templates: --list-prompts --prompts NAME')
    return '\n'.join(lines)
