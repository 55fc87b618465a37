"""`cite retrieve`: images that fit a text or an image, captions that fit an image."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.featuring import (
    add_feature_arguments,
    check_space,
    chosen_features,
    image_encoder,
    space_features,
    space_of,
)
from cite.cli.parsing import add_debug, count
from cite.cli.sources import add_source_arguments, read_source
from cite.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from cite.inference import FeatureTable
    from cite.retrieval import Index
    from cite.retrieval.ask import Query
    from cite.retrieval.collection import Collection
    from cite.retrieval.work import Captions

HELP = 'search images by text and by image, captions by image; measure how good that is'
EXAMPLE = 'cite retrieve patches --model plip --query "poorly differentiated adenocarcinoma"'
KINDS = ('auto', 'flat', 'ivf', 'hnsw')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser, nargs='*')
    asked = parser.add_argument_group('what to search for')
    asked.add_argument(
        '--query', action='append', default=[], metavar='TEXT', help='may be repeated'
    )
    asked.add_argument('--queries', type=Path, metavar='FILE', help='texts, one per line')
    asked.add_argument(
        '--query-image',
        action='append',
        type=Path,
        default=[],
        metavar='FILE',
        help='finds similar images (with --captions, captions); may be repeated',
    )
    asked.add_argument('-k', type=count, default=12, help='hits per query (default: 12)')
    asked.add_argument(
        '--truncate', action='store_true', help='cut texts that are too long for the model'
    )
    parser.add_argument(
        '--captions',
        action='store_true',
        help='SOURCE is a manifest with the columns file and caption',
    )
    parser.add_argument(
        '--evaluate',
        action='store_true',
        help='recall, precision, mAP, median rank: text to image and back with --captions, image to image '
        'with labels',
    )
    parser.add_argument(
        '--max-queries',
        type=count,
        default=5000,
        metavar='N',
        help='of --evaluate, in each direction; more are drawn from at random (default: 5000)',
    )
    parser.add_argument(
        '--index',
        type=Path,
        metavar='DIR',
        help='folder of the index, made where there is none (default: OUT/index). Without SOURCE, an index '
        'that is there is searched. Only use indexes that you or people you trust have made',
    )
    parser.add_argument(
        '--index-kind',
        choices=KINDS,
        default='auto',
        help='auto (default): exact search (flat) up to 67 million numbers, ivf above',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/retrieval'),
        help='folder to write (default: work_dirs/retrieval)',
    )
    add_feature_arguments(parser)
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.retrieval.ask import queries_of, read_queries

    texts = [*args.query, *(read_queries(args.queries) if args.queries is not None else [])]
    queries = queries_of(texts, args.query_image)
    if not queries and not args.evaluate:
        raise ConfigError(
            'nothing to do: give --query TEXT, --queries FILE, --query-image FILE or --evaluate'
        )
    images = _images(args)
    space = _space(args, bool(texts) or args.captions)
    # queries before the images: a mistake in them is told before the long work
    vectors: Any = None if space is None else _vectors(args, space, queries)

    from cite.atomic import write_json
    from cite.retrieval.figures import measured_text, metrics_text
    from cite.retrieval.keep import tune_for
    from cite.retrieval.work import (
        EVALUATION,
        HITS_RECORD,
        HITS_SHEET,
        HITS_TABLE,
        evaluate,
        remove_hits,
        report_hits,
        search,
        vectors_of_rows,
    )

    if images is None:
        table, index = None, _stored_index(args, space)
    else:
        table = _features(args, space, images)
        images = images.kept(table.names)
        index = _index(args, table, images)
    model = str(args.features) if space is None else space.name
    about = {
        'model': model if space is None else space.about,
        'normalised': True,
        'index': index.record,
    }
    written = []
    captions = _captions(args, space, images)
    if queries:
        remove_hits(args.out)
        measured_by: dict[str, Any] = {}
        if vectors is None and table is not None:
            vectors = vectors_of_rows(queries, table, index)
        to_images = [row for row, q in enumerate(queries) if captions is None or q.image is None]
        if table is not None and to_images:
            measured_by = tune_for(index, table, vectors[to_images])
            if measured_by:
                print(f'with these queries: {measured_text(measured_by)}')
        parts = search(index, queries, vectors, args.k, images, captions)
        title = f'{model}, {len(index)} images'
        print(f'\n{report_hits(parts, args.k, args.out, title)}\n')
        asked = {'queries': [query.shown for query in queries], 'k': args.k}
        write_json(args.out / HITS_RECORD, {**about, 'measured': measured_by, **asked})
        written += [HITS_SHEET, HITS_TABLE, HITS_RECORD]
    if args.evaluate and images is not None and table is not None:
        measured = evaluate(images, table, captions, args.max_queries)
        figures = {'evaluation': measured, 'max_queries': args.max_queries}
        write_json(args.out / EVALUATION, {**about, **figures})
        written.append(EVALUATION)
        print(f'{metrics_text(measured)}\n')
        if images.pairs is None and images.apart is None:
            print(
                'slides are not known, so patches of one slide may find each other: a manifest with a '
                'column slide, or --slide-pattern, leaves them out'
            )
    print(f'{", ".join(written)} in {args.out}')


def _images(args: argparse.Namespace) -> Collection | None:
    """What is searched; None: only the index.

    Raises:
        DataError, ConfigError: As `read_source`, or options that do not go together.
    """
    from cite.retrieval.collection import Collection

    if not args.source:
        if args.index is None or not (args.index / 'index.json').is_file():
            raise ConfigError('give the images: a folder, a manifest or files (or --index DIR)')
        if args.evaluate or args.captions or args.features is not None:
            raise ConfigError('--evaluate, --captions and --features go with SOURCE')
        return None
    if args.captions:
        from cite.data.pair_readers import read_pairs_csv

        if len(args.source) != 1 or args.source[0].suffix.lower() != '.csv':
            raise ConfigError('--captions needs one CSV manifest with the columns file and caption')
        return Collection.of_pairs(read_pairs_csv(args.source[0], args.root, split=args.split))
    source = read_source(args)
    if args.evaluate and source.table is None:
        raise ConfigError(
            '--evaluate needs to know what is right: labels (a folder of class folders, a column '
            'label), or --captions'
        )
    return Collection(source.files, source.names, source.table, source.slides_known)


def _space(args: argparse.Namespace, texts: bool) -> Any:
    """The space of the model; of images alone for vision models; None: only features are there.

    Raises:
        ConfigError: Texts, and a model that knows none.
    """
    from cite.retrieval.text_models import knows_texts, refuse_texts
    from cite.serving import ImageSpace

    if args.model is None and args.adapter is None and args.features is not None:
        if texts:
            raise ConfigError('texts need a model: give --model, the pair that made the features')
        return None
    if args.adapter is None and args.model is not None and not knows_texts(args.model):
        if not texts:
            return ImageSpace(*image_encoder(args))
        refuse_texts(args.model)
    try:
        return space_of(args)
    except (ConfigError, ModelError) as error:
        if texts or args.adapter is None:
            raise
        print(f"no texts, so images are compared by the tower's own features: {error}")
        return ImageSpace(*image_encoder(args))


def _features(args: argparse.Namespace, space: Any, images: Collection) -> FeatureTable:
    if space is None:
        return chosen_features(args.features, images.names)
    return space_features(args, space, images.files, images.names, args.out / 'features.npy')


def _index(args: argparse.Namespace, table: FeatureTable, images: Collection) -> Index:
    """That of --index or of the folder that is written."""
    from cite.retrieval.figures import measured_text
    from cite.retrieval.keep import kept_index

    folder = args.out / 'index' if args.index is None else args.index
    files = [str(file.resolve()) for file in images.files]
    chosen = args.index is not None
    index, told = kept_index(table, files, folder, args.index_kind, chosen, progress=True)
    print(f'{len(index)} images × {index.dim}, index {folder} ({index.kind}): {told}')
    for what, found in index.record['measured'].items():
        print(f'with {what}: {measured_text(found)}')
    return index


def _stored_index(args: argparse.Namespace, space: Any) -> Index:
    """The index of --index alone; its features must be of the model.

    Raises:
        ConfigError: Another model.
    """
    import numpy as np

    from cite.inference import FeatureTable
    from cite.retrieval import load_index

    index = load_index(args.index)
    features = FeatureTable(np.empty((0, index.dim)), [], index.record['features']['record'])
    check_space(features, space, args.index)
    print(f'{len(index)} images × {index.dim}, index {args.index} ({index.kind})')
    return index


def _vectors(args: argparse.Namespace, space: Any, queries: Sequence[Query]) -> Any:
    """(Q, dim), in the order of the queries."""
    import numpy as np

    vectors = np.empty((len(queries), space.dim), np.float32)
    texts = [row for row, query in enumerate(queries) if query.image is None]
    files = [row for row, query in enumerate(queries) if query.image is not None]
    if texts:
        vectors[texts] = _encode(args, space, [queries[row].text for row in texts])
    if files:
        images = [queries[row].image for row in files]
        vectors[files] = space.encode_images(images, args.batch_size, args.precision, args.workers)
    return vectors


def _captions(args: argparse.Namespace, space: Any, images: Collection | None) -> Captions | None:
    """What images may find besides images, where it is asked for."""
    from cite.retrieval.work import Captions

    if images is None or images.pairs is None or not (args.evaluate or args.query_image):
        return None
    texts, groups = images.texts
    return Captions(texts, _encode(args, space, texts), groups)


def _encode(args: argparse.Namespace, space: Any, texts: list[str]) -> Any:
    try:
        return space.encode_text(texts, truncate=args.truncate)
    except ConfigError as error:
        if args.truncate or 'longer than' not in str(error):
            raise
        raise ConfigError(f'{error} (--truncate cuts)') from error
