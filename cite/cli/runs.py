"""Arguments that `train` and `test` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    from mmengine.config import DictAction

    parser.add_argument('config', help='config file, or a name such as quickstart/cite')
    parser.add_argument('--work-dir', help='run folder (default: work_dirs/<config>)')
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a CPU too')
    parser.add_argument('--seed', type=int, help='seed of the run')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change the config, e.g. model.backbone.model=dinov2-vit-b14',
    )


def config_of(args: argparse.Namespace) -> Config:
    from cite.mm.launch import load_config

    return load_config(args.config, args.work_dir, args.cfg_options, args.amp, args.seed)
