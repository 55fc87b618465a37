"""The staining of a run as its files keep it, and the check that weights go with their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cite.atomic import write_json
from cite.errors import CheckpointError, ConfigError
from cite.images.stain import StainReference

FILE = 'stain.json'


def stain_record(cfg: Config) -> dict[str, Any] | None:
    """What checkpoints, adapters and results keep of it: plain values, or None."""
    spec = cfg.get('stain')
    record: dict[str, Any] | None = None if spec is None else json.loads(json.dumps(spec))
    return record


def write_stain(cfg: Config, folder: Path) -> None:
    """`stain.json` of a run folder, where the run has it."""
    record = stain_record(cfg)
    if record is not None:
        write_json(folder / FILE, record)


def check_stain(path: str, about: Mapping[str, Any], cfg: Config) -> None:
    """Weights belong to the staining that they were trained with.

    Args:
        path: Of the checkpoint, for the message.
        about: What the checkpoint says of itself.

    Raises:
        CheckpointError: The config has another one, or one has it and the other has not.
    """
    stored = read_stain(path, about)
    spec = cfg.get('stain')
    settled = spec is not None and spec.get('reference') is not None
    now = StainReference.from_dict(stain_record(cfg)) if settled else None
    if (stored is None and spec is None) or (stored and now and stored.same_numbers(now)):
        return
    wanted = f"stain=dict(method='{stored.method}')" if stored else 'stain=None'
    raise CheckpointError(
        f'{path} was trained with {_said(stored)}, the config has {_said(now or spec)}. Its weights '
        f'need what they were trained with: {wanted} (or config.py of its run folder)'
    )


def read_stain(path: str, about: Mapping[str, Any]) -> StainReference | None:
    """The staining that a checkpoint says it was trained with, or None.

    Raises:
        CheckpointError: A record that is damaged.
    """
    record = about.get('stain')
    try:
        return None if record is None else StainReference.from_dict(record)
    except ConfigError as error:
        raise CheckpointError(f'{path}: its record of the staining is damaged: {error}') from error


def _said(stain: StainReference | Mapping[str, Any] | None) -> str:
    if stain is None:
        return 'no stain normalisation'
    if not isinstance(stain, StainReference):
        return f'{stain["method"]} without a reference'
    slides = stain.fitted_on.get('slides')
    origin = f' fitted on {slides} slides' if slides else ''
    digest = str(stain.fitted_on.get('slides_sha256', ''))[:12]
    return f'{stain.method}{origin}' + (f' ({digest})' if digest else '')
