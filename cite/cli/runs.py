"""Arguments that the verbs of a config share: `train`, `test`, `baseline`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.parsing import add_debug, key_value, seed
from cite.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser, 'work_dirs/<config>')
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a CPU too')
    parser.add_argument('--seed', type=seed, help='seed of the run')


def add_config_arguments(parser: argparse.ArgumentParser, work_dir: str) -> None:
    """A config, changes to it, and a run folder, whose default the help tells."""
    parser.add_argument('config', help='config file, or a name such as quickstart/cite')
    parser.add_argument('--work-dir', help=f'run folder (default: {work_dir})')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        type=key_value,
        metavar='KEY=VALUE',
        help='change the config, e.g. model.backbone.model=dinov2-vit-b14',
    )
    add_debug(parser)


def config_of(args: argparse.Namespace) -> Config:
    """The config with the flags merged into it.

    Raises:
        ConfigError: No such config (told before mmengine is imported, which takes seconds), or one
            that cannot be read or merged.
    """
    from cite.paths import find_config

    path = find_config(args.config)

    from cite.mm.launch import load_config

    return load_config(path, args.work_dir, read_options(args.cfg_options), args.amp, args.seed)


def read_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """KEY=VALUE → key and value, with the meanings that mmengine's own tools give to values."""
    if not pairs:
        return {}
    from mmengine.config import DictAction

    found = argparse.Namespace()
    try:
        DictAction(['--cfg-options'], 'options', nargs='+')(argparse.ArgumentParser(), found, pairs)
    except AssertionError as error:
        raise ConfigError(f'--cfg-options: {error}') from error
    except RecursionError as error:  # brackets that are no list: dict(a=1,b=2)
        raise ConfigError(
            '--cfg-options takes no dict(…) and no call: give its keys, such as '
            'model.backbone.tuning.type=LoRA model.backbone.tuning.r=4'
        ) from error
    options: dict[str, Any] = found.options
    return options


def require_checkpoint(path: str) -> None:
    """Tells a checkpoint that is not there before any model is built.

    Raises:
        CheckpointError: Naming the checkpoints beside it.
    """
    file = Path(path)
    if file.is_file():
        return
    folder = file if file.is_dir() else file.parent
    found = [p.name for p in sorted(folder.glob('*.pth'), key=lambda p: (len(p.name), p.name))]
    there = f'{folder} has {", ".join(found[-5:])}' if found else f'{folder} has no checkpoint'
    what = 'is a folder' if file.is_dir() else 'no such file'
    raise CheckpointError(f'checkpoint {path}: {what}; {there}')
