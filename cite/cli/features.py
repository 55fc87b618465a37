"""`cite features`: features of many patches, in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cite.cli.featuring import add_computing_arguments, image_encoder
from cite.cli.inference import image_files
from cite.cli.parsing import add_debug, count
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.inference import Shard

HELP = 'write the features of patches into a file'
EXAMPLE = 'cite features dinov2-vit-l14-reg patches --out features.npy'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', help='vision model, by any of its names (cite models)')
    parser.add_argument(
        'source',
        type=Path,
        nargs='+',
        help='folders of images, image files, or one CSV manifest with a column file',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        help='.npy, .npz, .safetensors or .parquet; ids and record are written beside it',
    )
    parser.add_argument(
        '--adapter',
        type=Path,
        help='adapter.safetensors: the model as it tunes it, patches resized as in its training',
    )
    parser.add_argument('--weights', type=Path, help="file with the model's weights")
    parser.add_argument('--image-size', type=count, help="side in pixels (default: the model's)")
    parser.add_argument('--root', type=Path, help="folder of a manifest's files (default: its own)")
    add_computing_arguments(parser)
    parser.add_argument(
        '--shard',
        metavar='I/N',
        help='do the I-th of N parts, 1/N to N/N (default: as torchrun or Slurm number the processes)',
    )
    parser.add_argument(
        '--merge', action='store_true', help='only join what all shards have brought'
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    files, names = _images(args.source, args.root)

    from cite.inference import extract, shard_from_environment
    from cite.inference.shards import read_shard

    shard = shard_from_environment() if args.shard is None else read_shard(args.shard)
    encoder = image_encoder(args)
    found = extract(
        encoder.tower,
        files,
        args.out,
        names=names,
        prepare=encoder.prepare,
        after=encoder.after,
        about=encoder.about,
        batch_size=args.batch_size,
        precision=args.precision,
        workers=args.workers,
        shard=shard,
        merge=args.merge,
        skip_bad=args.skip_bad,
        progress=True,
    )
    if found.missing:
        print(_waiting(shard, len(found.missing)))
        return
    record = found.record
    print(f'{found.rows} × {record["feature_dim"]} in {found.out} ({record["precision"]})')
    for file, why in found.skipped.items():
        print(f'left out: {why if file in why else f"{file}: {why}"}')
    if found.skipped:
        print(f'{len(found.skipped)} of {len(files)} images left out')


def _waiting(shard: Shard, missing: int) -> str:
    return (
        f'shard {shard} is done; {missing} pieces of other shards are missing. The shard that finishes '
        'last joins them, or the same command with --merge'
    )


def _images(source: list[Path], root: Path | None) -> tuple[list[Path], list[str] | None]:
    """Files, and what a manifest calls them.

    Raises:
        DataError: Nothing there, or a manifest without a column file.
        ConfigError: A manifest among other sources, or `--root` without one.
    """
    manifests = [path for path in source if path.suffix.lower() == '.csv']
    if not manifests:
        if root is not None:
            raise ConfigError('--root goes with a CSV manifest')
        return image_files(source), None
    if len(source) > 1:
        raise ConfigError(f'{manifests[0]}: a manifest stands alone, found {len(source)} sources')
    from cite.data.csv_manifest import read_column

    names = read_column(manifests[0], 'file')
    folder = manifests[0].parent if root is None else root
    return [folder / name for name in names], names
