"""`cite probe`: a linear classifier on frozen features, beside a baseline."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.featuring import add_feature_arguments
from cite.cli.parsing import add_debug, count, seed
from cite.cli.sources import ImageSource, add_source_arguments

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
        'sets (a manifest with a column split has them all: train, or what --split names, val, test)'
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
    sets.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='label order, lowest grade first, which quadratic kappa needs (default: sorted)',
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

    from cite.probing.gather import check_shots, model_name, planned

    gathered, sources, notes = _gather(args)
    plan = planned(gathered, args.validation_share, args.seed)
    check_shots(plan, args.shots or [], args.seeds)
    print(_sets_line(sources, plan.counts()))
    notes += gathered.notes
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
    ordered = args.classes is not None
    print(write_report(args.out, probed, measured, protocol, notes, curves, ordered, sources))


def _gather(args: argparse.Namespace) -> tuple[Gathered, dict[str, Any], list[str]]:
    """The sets that the arguments name, where each is from, and notes of what is not used."""
    from cite.errors import ConfigError, DataError
    from cite.probing.gather import Gathered
    from cite.probing.splits import SPLITS, listed, split_counts, split_of, unused_rows

    own = split_counts(args.source)
    if args.split is None and own and 'train' not in own:
        raise DataError(
            f'{args.source[0]}: no split train, its rows are of {listed(own)}; name one with --split'
        )
    split = args.split or ('train' if own else None)
    train = _read(args, args.source, split, args.classes)
    assert train.table is not None  # _read sees to it
    classes = train.table.classes
    found = {'training': train}
    taken: dict[str, tuple[list[Path], str | None]] = {'training': (args.source, split)}
    files = {args.source[0]: own}
    notes = _left_folders(args, args.source, classes)
    for which, given in (('validation', args.validation), ('test', args.test)):
        name: str | None = SPLITS[which]
        source = args.source if given is None else [given]
        if given is None:
            if name not in own or name == split:
                continue
        else:
            files[given] = split_counts([given])
            if given.resolve() == args.source[0].resolve() and name not in files[given]:
                raise ConfigError(f'{given}: it is the training set, and has no split {name}')
            name = split_of(given, files[given], which)
        found[which] = _read(args, source, name, classes)
        taken[which] = source, name
        if given is not None:
            notes += _left_folders(args, source, classes)
    unused = unused_rows(files, [(source[0], name) for source, name in taken.values()])
    notes += [f'{file}: rows that are in no set: {listed(left)}' for file, left in unused.items()]
    sources: dict[str, Any] = {
        which: {'source': str(source[0]), 'split': name} for which, (source, name) in taken.items()
    }
    gathered = Gathered(found['training'], found.get('validation'), found.get('test'))
    return gathered, sources | {'not_used': unused}, notes


def _read(
    args: argparse.Namespace, source: list[Path], split: str | None, classes: Any
) -> ImageSource:
    from cite.cli.sources import read_images
    from cite.errors import ConfigError

    root = args.root if source[0].suffix.lower() == '.csv' else None
    found = read_images(source, root, split, classes, args.slide_pattern, [args.out])
    if found.table is None:
        raise ConfigError(
            f'{", ".join(map(str, source))}: probing needs labels; give a folder with one folder per '
            'class, or a manifest with a column label'
        )
    return found


def _left_folders(
    args: argparse.Namespace, source: list[Path], classes: Sequence[str]
) -> list[str]:
    """A note of folders in a folder of classes that are no class."""
    if not source[0].is_dir():
        return []
    out = args.out.resolve()
    left = sorted(
        entry.name
        for entry in source[0].iterdir()
        if entry.is_dir() and entry.name not in classes and entry.name[0] != '.'
        if not out.is_relative_to(entry.resolve())
    )
    return [f'{source[0]}: folders that are no class: {", ".join(left)}'] if left else []


def _sets_line(sources: dict[str, Any], counts: dict[str, dict[str, int] | None]) -> str:
    """Which rows make each set, and how many they are."""
    lines = []
    for which, key in (('training', 'train'), ('validation', 'validation'), ('test', 'test')):
        count, place = counts[key], sources.get(which)
        if count is None:
            continue
        where = 'set aside of training'
        if place is not None:
            where = place['source'] + (f', split {place["split"]}' if place['split'] else '')
        lines.append(f'{which}: {where} ({count["patches"]} patches of {count["slides"]} slides)')
    return '; '.join(lines)


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
