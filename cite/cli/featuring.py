"""Arguments of verbs that work on features, and the features: read from a file, or computed and kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cite.cli.inference import add_inference_arguments
from cite.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from cite.encoders.towers.tower import VisionTower
    from cite.inference import FeatureTable
    from cite.serving import Space

SAME = ('digest', 'tuning_digest', 'after_digest', 'feature_dim')
"""What must agree for features to be of a space."""


class ImageEncoder(NamedTuple):
    """What turns images into features, as `extract` takes it."""

    tower: VisionTower
    after: nn.Module | None = None
    prepare: Callable[[Any], Any] | None = None
    about: Mapping[str, Any] = {}


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """--model, --adapter, --weights, --precision, --skip-bad, and those of inference."""
    parser.add_argument(
        '--model',
        help='vision model or pair, by any of its names (cite models), or pair.safetensors',
    )
    parser.add_argument(
        '--adapter', type=Path, help='adapter.safetensors: the model as it tunes it'
    )
    parser.add_argument('--weights', type=Path, help="file with the model's weights")
    add_computing_arguments(parser)


def add_computing_arguments(parser: argparse.ArgumentParser) -> None:
    """--precision, --skip-bad, and those of inference."""
    parser.add_argument(
        '--precision',
        default='auto',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
        help='auto (default): what the hardware is fast at; the record says which it was',
    )
    add_inference_arguments(parser)
    parser.add_argument(
        '--skip-bad',
        action='store_true',
        help='leave out images that cannot be read, and list them',
    )


def add_feature_arguments(parser: argparse.ArgumentParser) -> None:
    """The same, and --features."""
    add_model_arguments(parser)
    parser.add_argument(
        '--features', type=Path, help='features of these images that are there (cite features)'
    )


def vision_features(
    args: argparse.Namespace, files: Sequence[Path], names: Sequence[str], out: Path
) -> FeatureTable:
    """Features of the files, in their order: from --features, or computed into `out` and kept there.

    Images that --skip-bad leaves out are missing from the result, and told on the terminal.

    Raises:
        ConfigError: No model, or options that do not go together.
        DataError: An image that cannot be read, or features that lack some of the images.
    """
    if getattr(args, 'features', None) is not None:
        if args.model is not None or args.adapter is not None:
            raise ConfigError(
                '--features stands in place of --model and --adapter; give one of them'
            )
        return chosen_features(args.features, names)
    from cite.inference import extract

    encoder = image_encoder(args)
    found = extract(
        encoder.tower,
        files,
        out,
        after=encoder.after,
        prepare=encoder.prepare,
        about=encoder.about,
        **_options(args, names),
    )
    return _told(found.out, found.skipped, len(files))


def space_features(
    args: argparse.Namespace,
    space: Space,
    files: Sequence[Path],
    names: Sequence[str],
    out: Path,
) -> FeatureTable:
    """`vision_features` in a joint space. Features that are there must be of that space.

    Raises:
        DataError, ConfigError: As there, or features of another model.
    """
    if getattr(args, 'features', None) is not None:
        found = chosen_features(args.features, names)
        check_space(found, space, args.features)
        return found
    extracted = space.extract(files, out, **_options(args, names))
    return _told(extracted.out, extracted.skipped, len(files))


def space_of(args: argparse.Namespace) -> Space:
    """The joint space of --model (a pair) or --adapter.

    Raises:
        ConfigError, ModelError, CheckpointError: As `load_space`.
    """
    from cite.serving import load_space

    return load_space(args.model, args.adapter, args.weights, args.device)


def image_encoder(args: argparse.Namespace) -> ImageEncoder:
    """The tower of --model or --adapter on its device, with what belongs to it.

    Raises:
        ConfigError: Neither of the two.
        ModelError, CheckpointError: It cannot be had.
    """
    if args.adapter is not None:
        if getattr(args, 'image_size', None) is not None:
            raise ConfigError(
                '--image-size does not go with --adapter: its training has settled it'
            )
        from cite.data.transforms import PatchTransform
        from cite.serving import load

        trained = load(args.adapter, args.model, args.weights, args.device)
        about = {'adapter': args.adapter.name, 'adapter_preprocessing': trained.info.preprocessing}
        prepare = PatchTransform(trained.stain, trained.resize)
        return ImageEncoder(trained.classifier.backbone, None, prepare, about)
    if args.model is None:
        raise ConfigError('give --model (cite models lists them), --adapter or --features')
    from cite.inference.device import settle_device

    device = settle_device(args.device)
    size = getattr(args, 'image_size', None)
    if Path(args.model).suffix == '.safetensors' and _is_pair(args.model):
        from cite.encoders.pairs import load_pair

        pair = load_pair(args.model, weights=args.weights).to(device)
        return ImageEncoder(pair.vision, pair.image_projection)
    from cite.encoders.vision import load_vision

    return ImageEncoder(load_vision(args.model, args.weights, image_size=size).to(device))


def _is_pair(path: str) -> bool:
    """Whether a file of weights is that of a trained pair."""
    from cite.encoders.pair_file import read_pair_info
    from cite.errors import CheckpointError

    try:
        read_pair_info(path)
    except CheckpointError:
        return False
    return True


def chosen_features(path: Path, names: Sequence[str]) -> FeatureTable:
    """Rows of a feature file, in the order of `names`; the file as it is where they are all of it."""
    from cite.inference import FeatureTable, read_features

    found = read_features(path)
    if found.names == list(names):
        return found
    rows = found.rows_of(names)
    return FeatureTable(found.features[rows], list(names), found.record)


def check_space(found: FeatureTable, space: Space, source: Path) -> None:
    """Refuses features of another space.

    Raises:
        ConfigError: Naming what differs.
    """
    here = space.about['image']
    if 'digest' not in found.record:
        raise ConfigError(
            f'{source}: no record beside it says which model made these features, so they cannot be told '
            f'from those of another one. Write them by `cite features` (it writes {source.name}.json), or '
            'leave --features out'
        )
    record = {'feature_dim': found.features.shape[1], **found.record}
    other = [key for key in SAME if key in record and record[key] != here.get(key)]
    if other:
        said = ', '.join(
            f'{key} {_short(record[key])} (here {_short(here.get(key))})' for key in other
        )
        raise ConfigError(
            f'{source}: these features are not of {space.name}: {said}. Write them by `cite features` with '
            'the same model, or leave --features out'
        )


def _options(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {
        'names': names,
        'batch_size': args.batch_size,
        'precision': args.precision,
        'workers': args.workers,
        'skip_bad': args.skip_bad,
        'progress': True,
    }


def _told(out: Path, skipped: Mapping[str, str], count: int) -> FeatureTable:
    from cite.errors import DataError
    from cite.inference import read_features

    for file, why in skipped.items():
        print(f'left out: {why if file in why else f"{file}: {why}"}')
    if skipped:
        print(f'{len(skipped)} of {count} images left out')
    if len(skipped) == count:
        raise DataError(f'none of the {count} images can be read')
    return read_features(out)


def _short(value: Any) -> str:
    return str(value)[:12]
