"""`cite quality`: which rows of a raw collection to keep, and why not the others."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.featuring import add_feature_arguments, space_features, space_of, vision_features
from cite.cli.parsing import add_debug, key_value

if TYPE_CHECKING:
    from cite.inference import FeatureTable
    from cite.quality import Filter, Material
    from cite.serving import Space

HELP = 'filter a raw collection of images (and captions): lists of what to keep, and a page with pictures'
EXAMPLE = (
    'cite quality tweets.csv --model plip --filters duplicates,language,question --out quality'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'source',
        type=Path,
        metavar='SOURCE',
        help='folder of images, or CSV manifest (file[,caption])',
    )
    parser.add_argument('--root', type=Path, help="folder of a manifest's files (default: its own)")
    parser.add_argument(
        '--captions-column', metavar='NAME', help="column of captions (default: 'caption', if any)"
    )
    parser.add_argument('--file-column', metavar='NAME', default='file', help='default: file')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/quality'),
        help='folder (default: work_dirs/quality)',
    )
    parser.add_argument(
        '--filters',
        metavar='NAME,NAME',
        help='unreadable, question, language, duplicates, duplicate_captions, pathology, neighbours; they '
        'run in this order (default: those that need no model, but duplicate_captions)',
    )
    parser.add_argument(
        '--clean-captions',
        action='store_true',
        help='add a column to kept.csv: captions without URLs, mentions, emojis and the sign of hashtags',
    )
    what = parser.add_argument_group('filters')
    what.add_argument(
        '--language', nargs='+', metavar='CODE', help='wanted languages (default: en)'
    )
    what.add_argument(
        '--positives',
        type=Path,
        help='pathology: folder or manifest (file[,slide][,patient]) of examples, which the model encodes',
    )
    what.add_argument('--negatives', type=Path, help='pathology: examples of what is none')
    what.add_argument(
        '--pathology-by',
        choices=('features', 'texts', 'colour'),
        help='pathology: by features of the model and examples (default with examples), by texts and a '
        'pair (default without), or by colours and coarse texture and examples',
    )
    target = what.add_mutually_exclusive_group()
    target.add_argument(
        '--target-recall', type=float, help='pathology: of held-out positives (default: 0.98)'
    )
    target.add_argument('--target-precision', type=float, help='pathology: on held-out examples')
    what.add_argument(
        '--against', type=Path, help='neighbours: features of a reference (cite features)'
    )
    what.add_argument('--closest', type=float, help='neighbours: cosine (default: 0.98)')
    what.add_argument(
        '--against-root', type=Path, help="neighbours: folder of the reference's files"
    )
    what.add_argument(
        '--options',
        nargs='+',
        action='extend',
        type=key_value,
        default=[],
        metavar='FILTER.NAME=VALUE',
        help='any other option of a filter, such as unreadable.least_side=128 neighbours.drop=far',
    )
    add_feature_arguments(parser)
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.quality import read_collection, run_filters, write_outcome
    from cite.quality.page import write_page

    collection = read_collection(
        args.source, args.root, args.captions_column, args.file_column, without=[args.out]
    )
    filters = filters_of(args, collection.captions is not None)
    outcome = run_filters(_material(args, collection, filters), filters)
    write_outcome(outcome, args.out, args.clean_captions)
    page = write_page(outcome, args.out)
    width = max(len(step.filter.name) for step in outcome.steps)
    for step in outcome.steps:
        reasons = ', '.join(f'{count} {reason}' for reason, count in step.by_reason().items())
        print(f'{step.filter.name:{width}}  −{step.dropped} of {step.entered}  {reasons}'.rstrip())
    print(f'kept {len(outcome.kept)} of {len(collection)} rows: {args.out / "kept.csv"}')
    print(f'files are under {collection.root}; the page is {page}')
    for step in outcome.steps:
        for note in step.verdict.notes:
            print(f'note, {step.filter.name}: {note}')
    for note in outcome.notes:
        print(f'warning: {note}', file=sys.stderr)


def filters_of(args: argparse.Namespace, captions: bool) -> list[Filter]:
    """The filters that were named, with their options; the defaults where none were.

    Raises:
        ConfigError: No such filter or option, or an option of a filter that does not run.
    """
    from cite.errors import ConfigError
    from cite.quality import build_filter, default_filters

    named = default_filters(captions)
    if args.filters is not None:
        named = [name.strip() for name in args.filters.split(',') if name.strip()]
    options = _options(args)
    idle = [name for name in options if name not in named]
    if idle:
        raise ConfigError(
            f'options are given of {", ".join(idle)}, which does not run; the filters are '
            f'{", ".join(named)} (--filters)'
        )
    return [build_filter(name, **options.get(name, {})) for name in named]


def _options(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Filter → options."""
    from cite.errors import ConfigError

    target = 'precision' if args.target_precision is not None else 'recall'
    wanted = args.target_recall if args.target_precision is None else args.target_precision
    given = {
        'language': {'wanted': args.language},
        'pathology': {
            'positives': args.positives,
            'negatives': args.negatives,
            'by': args.pathology_by,
            'target': None if wanted is None else target,
            'wanted': wanted,
        },
        'neighbours': {
            'against': args.against,
            'closest': args.closest,
            'root': args.against_root,
        },
    }
    found = {
        name: {key: value for key, value in values.items() if value is not None}
        for name, values in given.items()
    }
    for pair in args.options:
        key, _, text = pair.partition('=')
        name, dot, option = key.partition('.')
        if not dot:
            raise ConfigError(f'--options: expected FILTER.NAME=VALUE, found {pair!r}')
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, {})[option] = value
    return {name: values for name, values in found.items() if values}


def _material(args: argparse.Namespace, collection: Any, filters: Sequence[Filter]) -> Material:
    from cite.quality import Material

    paired = args.model is not None or args.adapter is not None
    # features that are there are the collection's: whatever else is looked at, the model encodes
    encoding = argparse.Namespace(**{**vars(args), 'features': None})
    stored = args
    if args.features is not None and paired and _encodes_examples(filters):
        stored = argparse.Namespace(**{**vars(args), 'model': None, 'adapter': None})
    spaces: list[Space] = []

    def space() -> Space:
        if not spaces:
            spaces.append(space_of(args))
        return spaces[0]

    def in_space(
        words: argparse.Namespace, files: Sequence[Path], names: Sequence[str], out: Path
    ) -> FeatureTable:
        return space_features(words, space(), files, names, out)

    examples: dict[str, Any] = {}
    if paired:
        examples = {
            'features': partial(vision_features, encoding),
            'space': partial(in_space, encoding),
        }
    return Material(
        collection,
        cache=args.out / 'cache',
        features=partial(vision_features, stored) if paired or args.features is not None else None,
        space=space if paired else None,
        space_features=partial(in_space, args) if paired else None,
        example_features=examples,
        workers=args.workers,
    )


def _encodes_examples(filters: Sequence[Filter]) -> bool:
    """Whether a model has work to do beside features that are there."""
    from cite.quality.filters.pathology import Pathology

    return any(
        isinstance(one, Pathology) and one.by == 'features' and one.positives is not None
        for one in filters
    )
