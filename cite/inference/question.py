"""What features hang on: the model, how it sees images, the precision, the images. Same question, same
answer: so work that was done for it can be used again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

import cite
from cite.encoders.card import preprocessing
from cite.errors import DataError
from cite.frozen import digest
from cite.images.read_ahead import in_order

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower

PACKAGES = ('torch', 'torchvision', 'timm', 'pillow', 'numpy')
AT_ONCE = 16
"""Files that are looked up together: on network drives each look-up waits."""


@dataclass(frozen=True)
class Question:
    """What is asked of a model.

    Attributes:
        about: Model, preprocessing and precision, as the record tells them.
        files: Images in the order of their rows.
        names: What the table of ids calls them.
        chunk: Images per piece of work.
        key: SHA-256 over all of it, and over size and time of change of every file.
    """

    about: Mapping[str, Any]
    files: Sequence[str]
    names: Sequence[str]
    chunk: int
    key: str

    @property
    def chunks(self) -> int:
        """How many pieces the work has."""
        return -(-len(self.files) // self.chunk)

    def rows(self, number: int) -> range:
        """Rows of one piece."""
        return range(number * self.chunk, min((number + 1) * self.chunk, len(self.files)))


def ask(
    tower: VisionTower,
    precision: str,
    extra: Mapping[str, Any],
    files: Sequence[str | Path],
    names: Sequence[str] | None,
    chunk: int,
    missing_too: bool,
) -> Question:
    """The question of the features of `files`.

    Args:
        precision: A settled one.
        extra: More that decides the features, or that the record should tell.
        missing_too: Leaves it to the reading to find that a file is missing.

    Raises:
        DataError: A file that is missing, or names of another number.
    """
    paths = [str(file) for file in files]
    called = paths if names is None else list(names)
    if len(called) != len(paths):
        raise DataError(f'{len(called)} names were given for {len(paths)} images')
    about = {**describe(tower), 'precision': precision, **extra}
    sha = hashlib.sha256(json.dumps([about, chunk], sort_keys=True).encode())
    stats = in_order(partial(_stamp, missing_too=missing_too), paths, AT_ONCE, lambda: 4 * AT_ONCE)
    with closing(stats):
        for path, name, stat in zip(paths, called, stats, strict=True):
            sha.update(json.dumps([path, name, *stat()]).encode())
    return Question(about, paths, called, chunk, sha.hexdigest())


def describe(tower: VisionTower) -> dict[str, Any]:
    """What a record says of a tower: enough to have the same one again, and to tell it from others."""
    tuned = tower.state_dict()
    return {
        'model': tower.card.name,
        'arch': tower.card.arch,
        'digest': tower.digest,
        'tuning': type(tower.tuning).__name__ if tuned else None,
        'tuning_digest': digest(tuned.items()) if tuned else None,
        'feature': tower.card.feature,
        'feature_dim': tower.feature_dim,
        'licence': tower.card.licence,
        'preprocessing': preprocessing(tower.card, tower.image_size),
    }


def describe_after(after: nn.Module | None, width: int) -> dict[str, Any]:
    """The same of what follows a tower of `width` features: its weights and what it gives."""
    state = {} if after is None else after.state_dict()
    if after is None or not state:
        return {}
    with torch.no_grad():
        dim = after(torch.zeros(1, width, device=next(iter(state.values())).device)).shape[1]
    return {
        'after': type(after).__name__,
        'after_digest': digest(state.items()),
        'feature_dim': dim,
    }


def versions() -> dict[str, str]:
    """Of what computes."""
    return {'cite': cite.__version__, **{package: version(package) for package in PACKAGES}}


def _stamp(path: str, missing_too: bool) -> tuple[int, int]:
    """Size and time of change."""
    try:
        found = os.stat(path)  # noqa: PTH116 — a million times
    except OSError as error:
        if missing_too:
            return -1, -1
        raise DataError(f'{path}: no such file') from error
    return found.st_size, found.st_mtime_ns
