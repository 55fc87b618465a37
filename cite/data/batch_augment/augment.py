"""From the steps of a pipeline to the drawing and the doing of their changes on batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cite.data.batch_augment.colour import ColourDraw
from cite.data.batch_augment.stain import StainDraw
from cite.data.batch_augment.symmetry import SymmetryDraw
from cite.data.randomness import uniforms
from cite.data.stain_jitter import StainJitter
from cite.data.transforms import AugmentPatch
from cite.errors import ConfigError

Change = Callable[[Tensor], Tensor]


class Part(Protocol):
    """One kind of change: `columns` uniform numbers of a patch decide how it turns out."""

    columns: int

    def __call__(self, draws: NDArray[np.float64]) -> Change:
        """Draws (B, columns) → the change of a batch of B patches."""


@dataclass(frozen=True)
class Augmentation:
    """What is to be done to a batch, one change after the other; small, and the same on every device."""

    changes: tuple[Change, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) → likewise; what was given stays as it was."""
        for change in self.changes:
            images = change(images)
        return images


class BatchAugment:
    """Draws the augmentation of batches.

    Args:
        parts: In the order in which they act.
    """

    def __init__(self, *parts: Part) -> None:
        self.parts = parts

    @classmethod
    def of(cls, steps: Iterable[Callable[..., object]]) -> BatchAugment:
        """The same as the steps of a pipeline do to single pictures.

        Raises:
            ConfigError: A step other than `AugmentPatch` and `StainJitter`.
        """
        parts: list[Part] = []
        for step in steps:
            if isinstance(step, AugmentPatch):
                parts += _parts_of(step)
            elif isinstance(step, StainJitter):
                parts += [StainDraw(step.sigma)] if step.sigma else []
            else:
                raise ConfigError(
                    f'{type(step).__name__} works on single pictures only, a store gives whole batches; '
                    'use AugmentPatch and StainJitter, or set store=False'
                )
        return cls(*parts)

    def draw(self, numbers: ArrayLike, *key: int | str) -> Augmentation:
        """The augmentation of the patches with these numbers, a function of number and key alone.

        Args:
            numbers: (B,) such as the numbers of draws.
            key: Seed and purpose.
        """
        draws = uniforms(numbers, sum(part.columns for part in self.parts), *key)
        changes, column = [], 0
        for part in self.parts:
            changes.append(part(draws[:, column : column + part.columns]))
            column += part.columns
        return Augmentation(tuple(changes))


def _parts_of(step: AugmentPatch) -> Sequence[Part]:
    parts: list[Part] = []
    if step.flip or step.rotate90:
        parts.append(SymmetryDraw(step.flip, step.rotate90))
    if step.jitter is not None:
        ranges = {
            name: getattr(step.jitter, name)
            for name in ('brightness', 'contrast', 'saturation', 'hue')
        }
        parts.append(ColourDraw(**ranges))
    return parts
