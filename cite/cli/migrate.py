"""`cite migrate`: configs and checkpoints of the published CITE code → ours."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.parsing import add_debug
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.migrate.options import Options

HELP = 'turn a config or checkpoint of the original CITE code (mmcls 0.25) into one of cite'
EXAMPLE = 'cite migrate work_dirs/gastric_cite/iter_1000.pth --out work_dirs/migrated'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', type=Path, help='old config (.py, which is executed) or checkpoint')
    parser.add_argument(
        '--out',
        type=Path,
        help='config to write, or folder for the adapter (default: beside PATH, …_migrated)',
    )
    parser.add_argument(
        '--protocol',
        choices=('fixed', 'original'),
        help='of a config: fixed, or with the defects of the original (default: fixed)',
    )
    parser.add_argument(
        '--config',
        type=Path,
        help='old config of a checkpoint (default: the one that mmcls noted in it)',
    )
    parser.add_argument('--model', help='base model in place of the one that the old config names')
    parser.add_argument('--weights', help="file with the base model's weights")
    parser.add_argument('--text-encoder', help='text encoder in place of the one of the old config')
    add_debug(parser)


def run(args: argparse.Namespace) -> None:
    if not args.path.is_file():
        raise ConfigError(f'{args.path}: {"a folder" if args.path.is_dir() else "no such file"}')
    is_config = args.path.suffix == '.py'
    if is_config and args.config:
        raise ConfigError('--config goes with a checkpoint')
    if not is_config and args.protocol:
        raise ConfigError('--protocol goes with a config; an adapter has no protocol')
    stem = args.path.with_name(f'{args.path.stem}_migrated')
    out = args.out or (stem.with_suffix('.py') if is_config else stem)
    if out.is_file() or (out / 'adapter.safetensors').is_file():
        raise ConfigError(f'{out} exists; name another place with --out, or remove it')

    from cite.migrate.options import Options

    options = Options(args.protocol == 'original', args.model, args.weights, args.text_encoder)
    if is_config:
        notes = _config(args.path, out, options)
    else:
        from cite.migrate.checkpoint import migrate_checkpoint

        config = _read_config(args.config) if args.config else None
        notes = migrate_checkpoint(args.path, out, config, options)
        out = out / 'adapter.safetensors'
    for note in notes:
        print(f'- {note}')
    print(f'{args.path} → {out}')


def _config(path: Path, out: Path, options: Options) -> Sequence[str]:
    from cite.atomic import write_text
    from cite.migrate.config import migrate_config

    migrated = migrate_config(_read_config(path), options, path.name)
    write_text(out, migrated.text)
    return migrated.notes


def _read_config(path: Path) -> dict[str, Any]:
    """Every value of an old config, inherited ones included.

    The file is executed, as mmcls does it; the modules of the original that it names are not imported.
    """
    from mmengine.config import Config

    try:
        config = Config.fromfile(path, import_custom_modules=False, lazy_import=False)
    except Exception as error:  # the file is executed: anything can come out of it
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f'config {path} cannot be read: {type(error).__name__}: {reason[-1] if reason else ""}'
        ) from error
    values: dict[str, Any] = config.to_dict()
    return values
