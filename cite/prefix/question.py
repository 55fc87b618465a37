"""What decides a kept activation, besides the patch itself: another answer to any of it is another bank."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

import cite
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower

FORMAT = 2
"""Of the files of a bank, and of how views are drawn."""

DTYPES: dict[str, torch.dtype | None] = {
    'as computed': None,
    'float32': torch.float32,
    'float16': torch.float16,
    'bfloat16': torch.bfloat16,
}
"""In which values can be kept."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of every patch.

    Attributes:
        tower: What the tower is and how many of its stages are asked for, plain values.
        steps: How a patch gets the tower's size, as a config says it; what is random has no part in it.
        precision: 'fp32', 'bf16' or 'fp16', in which the stages compute.
        device: 'cpu' with its instructions, or 'cuda': their sums differ in the last bits.
        dtype: In which the answer is kept: a name of `DTYPES`.
    """

    tower: dict[str, Any]
    steps: list[Any]
    precision: str
    device: str
    dtype: str

    @property
    def record(self) -> dict[str, Any]:
        """Plain values, the versions of what computes among them."""
        versions = {'cite': cite.__version__, 'torch': torch.__version__, 'format': FORMAT}
        return dataclasses.asdict(self) | {'versions': versions}

    @property
    def key(self) -> str:
        """Name of its bank."""
        text = json.dumps(self.record, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def ask(tower: VisionTower, steps: Sequence[Any], precision: str, dtype: str = 'auto') -> Question:
    """The question of a tower's frozen stages.

    Args:
        steps: Of the pipeline, as a config has them, without augmentation.
        dtype: A name of `DTYPES`. 'auto' keeps features, which are small, and all of fp32 as computed,
            and tokens of half-precision towers in float16.

    Raises:
        ConfigError: A step that is no plain value, so that nothing could tell it from another; an
            unknown dtype.
    """
    whole = tower.frozen_stages > tower.depth
    if dtype == 'auto':
        dtype = 'as computed' if whole or precision == 'fp32' else 'float16'
    if dtype not in DTYPES:
        raise ConfigError(f'cache.dtype must be auto, {", ".join(DTYPES)}; found {dtype!r}')
    card, device = dataclasses.asdict(tower.card), tower.mean.device.type
    told = {
        'digest': tower.digest,
        'card': {key: card[key] for key in ('tower', 'arch', 'arch_kwargs', 'feature')},
        'mean': tower.mean.flatten().tolist(),
        'std': tower.std.flatten().tolist(),
        'image_size': tower.image_size,
        'stages': 'all' if whole else tower.frozen_stages,
        'compiled': any(block._compiled_call_impl is not None for block in tower.blocks),
    }
    return Question(
        tower=plain(told),
        steps=plain(steps),
        precision=precision,
        device=device if device == 'cuda' else f'cpu {torch.backends.cpu.get_cpu_capability()}',
        dtype=dtype,
    )


def plain(value: Any) -> Any:
    """The value through JSON, so that what is compared is what is written.

    Raises:
        ConfigError: It holds something that is no plain value.
    """
    try:
        return json.loads(json.dumps(value))
    except TypeError as error:
        raise ConfigError(
            f'{value!r} is not made of plain values, so that what is computed with it cannot be told from '
            'what another makes. Register a step of a pipeline and name it in the config, or set cache=off'
        ) from error


def picture(digest: str, view: int, seed: int, steps: Sequence[Any]) -> bytes:
    """Name (32 bytes) of a view of a patch.

    Args:
        digest: SHA-256 of the file, in hex. View 0 goes by it alone, whatever the augmentation.
        steps: Of the pipeline with its augmentation.
    """
    if view == 0:
        return bytes.fromhex(digest)
    told = json.dumps([digest, view, seed, plain(steps)])
    return hashlib.sha256(told.encode()).digest()
