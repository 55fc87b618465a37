"""`cite probe`: a linear classifier on frozen features, beside a baseline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.featuring import add_feature_arguments
from cite.cli.parsing import add_debug, count, seed
from cite.cli.sources import add_source_arguments

if TYPE_CHECKING:
    from cite.inference import FeatureTable
    from cite.probing import Probed
    from cite.probing.gather import Gathered

HELP = 'linear probing: what a linear classifier reads out of frozen features'
EXAMPLE = 'cite probe train --test test --model dinov2-vit-l14-reg --out probe'
BASELINE = 'densenet121'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser, nargs='+')
    sets = parser.add_argument_group(
        'sets (a manifest with a column split has them all: train, val, test)'
    )
    sets.add_argument('--test', type=Path, help='what to measure on, as SOURCE')
    sets.add_argument('--validation', type=Path, help='what to choose by, as SOURCE')
    sets.add_argument(
        '--validation-share',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='of the slides (patients) of each class, where there is no validation set (default: 0.2)',
    )
    sets.add_argument(
        '--seed', type=seed, default=0, help='of the draw of those slides (default: 0)'
    )
    add_feature_arguments(parser)
    parser.add_argument('--test-features', type=Path, help='features of the test set, in a file')
    parser.add_argument(
        '--validation-features', type=Path, help='features of the validation set, in a file'
    )
    how = parser.add_argument_group('probing')
    how.add_argument(
        '--protocol',
        default='cite',
        help='cite (default), clip, plip or whyclip: see docs/probing.md',
    )
    how.add_argument(
        '--shots', type=count, nargs='+', metavar='K', help='a curve over K slides per class, too'
    )
    how.add_argument(
        '--seeds', type=count, default=5, metavar='N', help='draws for each K (default: 5)'
    )
    how.add_argument(
        '--baseline',
        default=BASELINE,
        metavar='MODEL',
        help=f'vision model beside which it is shown (default: {BASELINE})',
    )
    how.add_argument('--baseline-weights', type=Path, metavar='FILE', help='its weights')
    how.add_argument('--no-baseline', action='store_true', help='no other model beside it')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/probe'),
        help='folder to write (default: work_dirs/probe)',
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    from cite.errors import ConfigError
    from cite.probing import PROTOCOLS, find_protocol

    if args.protocol not in PROTOCOLS:
        raise ConfigError(
            f'no protocol {args.protocol!r} of probing; there are {", ".join(PROTOCOLS)}'
        )
    protocol = find_protocol(args.protocol)

    from cite.probing.gather import check_shots, model_name

    gathered = _gather(args)
    check_shots(gathered, args.shots or [])
    notes = gathered.notes
    for note in notes:
        print(f'note: {note}')
    found = _features(args, gathered)
    named = model_name(found.record, args.model, args.adapter, args.features)
    tables = {named: found}
    baseline, why = _baseline(args, gathered, named)
    if baseline is not None:
        tables[args.baseline] = baseline
    if why:
        print(f'note: {why}')
        notes.append(why)

    from cite.probing.gather import arranged
    from cite.probing.report import write_report
    from cite.probing.run import probe, shot_curve

    probed: list[Probed] = []
    curves: dict[str, Any] = {}
    for name, table in tables.items():
        sets = arranged(gathered, table, args.validation_share, args.seed)
        one = probe(table.features, sets, protocol, name, table.record, progress=True)
        probed.append(one)
        for note in one.notes:
            print(f'note: {name}: {note}')
        if args.shots:
            curves[name] = shot_curve(
                table.features, sets, args.shots, args.seeds, protocol, name, progress=True
            )
        if name == named:
            measured = sets
    print(write_report(args.out, probed, measured, protocol, notes, curves))


def _gather(args: argparse.Namespace) -> Gathered:
    """The sets that the arguments name."""
    from cite.cli.sources import read_images
    from cite.errors import ConfigError
    from cite.probing.gather import Gathered, split_names

    def read(source: list[Path], split: str | None, classes: Any = None) -> Any:
        root = args.root if source[0].suffix.lower() == '.csv' else None
        found = read_images(source, root, split, classes, args.slide_pattern)
        if found.table is None:
            raise ConfigError(
                f'{", ".join(map(str, source))}: probing needs labels; give a folder with one folder per '
                'class, or a manifest with a column label'
            )
        return found

    splits = split_names(args.source)
    if args.split is not None or not splits:
        train = read(args.source, args.split)
    else:
        if 'train' not in splits:
            raise ConfigError(
                f'{args.source[0]}: no split train, the file has {sorted(splits)}; name one with --split'
            )
        train = read(args.source, 'train')
    classes = train.table.classes
    own = splits if args.split is None else set()

    def other(given: Path | None, split: str) -> Any:
        if given is not None:
            inner = split_names([given])
            if given.resolve() == args.source[0].resolve() and split not in inner:
                raise ConfigError(f'{given}: it is the training set, and has no split {split}')
            return read([given], split if split in inner else None, classes)
        return read(args.source, split, classes) if split in own else None

    validation, test = other(args.validation, 'val'), other(args.test, 'test')
    return Gathered(train, validation, test)


def _features(args: argparse.Namespace, gathered: Gathered) -> FeatureTable:
    from cite.cli.featuring import chosen_features, vision_features
    from cite.errors import ConfigError
    from cite.inference import read_features
    from cite.probing.gather import joined

    apart = {'validation': args.validation_features, 'test': args.test_features}
    if args.features is None:
        if any(apart.values()):
            raise ConfigError('--validation-features and --test-features go with --features')
        files, names = gathered.images()
        return vision_features(args, files, names, args.out / 'features' / 'model.npy')
    if args.model is not None or args.adapter is not None:
        raise ConfigError('--features stands in place of --model and --adapter; give one of them')
    if not any(apart.values()) and gathered.names_differ():
        found = read_features(args.features)  # as it is, mapped into memory
        found.rows_of(gathered.images()[1])
        return found
    parts: dict[str, FeatureTable] = {}
    for which, source in gathered.sets().items():
        parts[which] = chosen_features(apart.get(which) or args.features, source.names)
    return joined(gathered, parts)


def _baseline(
    args: argparse.Namespace, gathered: Gathered, named: str
) -> tuple[FeatureTable | None, str]:
    """Features of the baseline, or why there are none."""
    if args.no_baseline:
        return None, ''
    if args.baseline == named:
        return None, f'the baseline {args.baseline} is the model itself'
    from cite.cli.featuring import vision_features
    from cite.errors import CheckpointError, ModelError

    files, names = gathered.images()
    missing = [file for file in files if not file.is_file()]
    if missing and args.features is not None:
        return None, (
            f'no baseline {args.baseline}: {len(missing)} of {len(files)} images are not there to compute '
            f'its features from, such as {missing[0]}'
        )
    other = argparse.Namespace(**vars(args))
    other.model, other.weights = args.baseline, args.baseline_weights
    other.adapter = other.features = None
    try:
        found = vision_features(other, files, names, args.out / 'features' / 'baseline.npy')
    except (ModelError, CheckpointError) as error:
        if args.baseline_weights is not None:
            raise
        return None, (
            f'no baseline {args.baseline}: {error}. Give its weights by --baseline-weights FILE, or '
            '--no-baseline'
        )
    return found, ''
