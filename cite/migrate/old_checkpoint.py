"""Reading a checkpoint of the published code: tensors by part, and the config that it carries along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cite.data.table import some
from cite.errors import CheckpointError
from cite.frozen import file_digest
from cite.migrate.plain_config import read_plain_config

PROMPT = 'backbone.prompt'
CLIP_TOWER = 'backbone.model.'
VIT_TOWER = 'backbone.'
TRAINED = ('neck.weight', 'neck.bias', 'head.temperature', 'head.fc.weight', 'head.fc.bias')


@dataclass(frozen=True)
class OldCheckpoint:
    """An original checkpoint, in float32.

    Attributes:
        path: The file.
        sha256: Of its content.
        meta: What mmcv noted beside the weights.
        tower: Weights of the vision tower, in OpenAI's or mmcls' names.
        prompt: (rows, length, width), or None.
        trained: Weights of neck and head, in the original's names.
    """

    path: Path
    sha256: str
    meta: Mapping[str, Any]
    tower: dict[str, Tensor]
    prompt: Tensor | None
    trained: dict[str, Tensor]

    @property
    def depth(self) -> int:
        """Blocks of the tower."""
        blocks = (
            re.match(r'(?:transformer\.resblocks|layers)\.(\d+)\.', key) for key in self.tower
        )
        return 1 + max((int(block[1]) for block in blocks if block), default=-1)

    def config(self) -> dict[str, Any] | None:
        """The config that it was trained with, where mmcls noted it.

        Raises:
            ConfigError: It holds more than plain values.
        """
        text = self.meta.get('config')
        return read_plain_config(text, f'the config in {self.path}') if text else None


def read_old_checkpoint(path: str | Path) -> OldCheckpoint:
    """Reads tensors and plain values, never code.

    Raises:
        CheckpointError: No such file, damaged, Python objects in it, or no checkpoint of the original.
    """
    path = Path(path)
    content = _load(path)
    state = content.get('state_dict') if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f'{path} is no checkpoint of mmcls: it has no `state_dict`')
    if 'cite' in content:
        raise CheckpointError(f'{path} was written by cite, and needs no migration')
    weights = {
        str(key).removeprefix('module.'): value.float()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }
    prefix = CLIP_TOWER if any(key.startswith(CLIP_TOWER) for key in weights) else VIT_TOWER
    prompt = weights.pop(PROMPT, None)
    trained = {key: weights.pop(key) for key in TRAINED if key in weights}
    unknown = [key for key in weights if not key.startswith(prefix)]
    tower = {key.removeprefix(prefix): value for key, value in weights.items()}
    if unknown or not tower:
        found = f'unknown weights {some(unknown)}' if unknown else 'no weights of a vision tower'
        raise CheckpointError(
            f'{path} is no checkpoint of the original code: {found}; expected {PROMPT}, '
            f'{CLIP_TOWER}*, {", ".join(TRAINED)}'
        )
    meta = content.get('meta')
    return OldCheckpoint(
        path,
        file_digest(path),
        meta if isinstance(meta, Mapping) else {},
        tower,
        prompt,
        trained,
    )


def _load(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(
            f'checkpoint {path}: {"a folder" if path.is_dir() else "no such file"}'
        )
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises pickle, zip and runtime errors on damaged files
        reason = [*str(error).splitlines(), ''][0][:160]
        raise CheckpointError(
            f'checkpoint {path} cannot be read: damaged, or with Python objects besides tensors and '
            f'plain values, which are not loaded because they can run foreign code ({reason}). Save '
            'its state_dict and meta alone, where you trust it'
        ) from error
