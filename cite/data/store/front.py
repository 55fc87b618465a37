"""The deterministic front of a pipeline: what it is, and that nothing random stands in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import PIL
from PIL import features

from cite.errors import ConfigError
from cite.images.resize import ResizePatch
from cite.images.stain.normalize import NormalizeStain

FORMAT = 2
"""To be raised when the same steps begin to give other pixels."""

Step = Callable[[Any], Any]

_REMEDY = (
    'put it behind the others, give it a method `describe` if it is not random, or set store=False'
)


def split_pipeline(steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """Deterministic steps, whose result a store keeps, and the augmentation behind them.

    Raises:
        ConfigError: A random step in front of a deterministic one; a step that neither describes itself
            nor says that it `augments`.
    """
    front: list[Step] = []
    augmentation: list[Step] = []
    for step in steps:
        name = type(step).__name__
        if getattr(step, 'augments', False):
            augmentation.append(step)
            continue
        if _options(step) is None:
            raise ConfigError(
                f'store: {name} is a step that may be random, so what it gives cannot be kept; {_REMEDY}'
            )
        if augmentation:
            raise ConfigError(
                f'store: {type(augmentation[0]).__name__} is random and stands in front of {name}, so '
                f'what {name} gives cannot be kept; put it behind {name}, or set store=False'
            )
        front.append(step)
    return front, augmentation


def front_digest(front: Sequence[Step]) -> str:
    """SHA-256 of the steps, and of the versions of what decodes and resizes."""
    about = {
        'format': FORMAT,
        'pillow': PIL.__version__,
        'jpeg': [features.version_codec('jpg'), features.version_feature('libjpeg_turbo')],
        'steps': [[type(step).__qualname__, _options(step)] for step in front],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _options(step: Step) -> dict[str, Any] | None:
    """What decides the step's result, as plain values; None where that is not known.

    A step of one's own says it by a method `describe`, which returns a dict for JSON.
    """
    describe = getattr(step, 'describe', None)
    if callable(describe):
        return dict(describe())
    if isinstance(step, ResizePatch):
        plain = {name: getattr(step, name) for name in ('size', 'how', 'resize')}
        return {**plain, 'interpolation': step.interpolation.value}
    if isinstance(step, NormalizeStain):
        numbers = {name: np.asarray(value).tolist() for name, value in vars(step.method).items()}
        return {'method': type(step.method).__name__, **numbers}
    return None
