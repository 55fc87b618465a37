"""What a method of stain normalisation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.images.stain.density import (
    Pixels,
    Values,
    from_density,
    optical_density,
    tissue_weight,
)
from cite.registry import Registry, check_options

METHODS = Registry('method of stain normalisation', 'cite.images.stain')

LARGEST = 1000
"""Densities and their logarithms are of the order of one."""

Numbers = dict[str, NDArray[np.floating]]


class StainMethod(ABC):
    """Brings pictures to the staining that its numbers describe.

    A method is one file here with one class under `@METHODS.register`; a config names it in lower
    case. The numbers of a picture (`estimate`) and of the reference are the same ones, and are the
    arguments of the class.
    """

    @staticmethod
    @abstractmethod
    def estimate(pixels: Pixels) -> Numbers | None:
        """The numbers of one picture H x W x 3, or None where it shows too little to tell."""

    @abstractmethod
    def apply(self, density: Values, found: Numbers) -> Values:
        """H x W x 3 densities with the staining `found`, brought to the reference."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """A picture H x W x 3; the same one where it shows too little to tell its staining.

        Glass stays as it is, whatever its tint.
        """
        found = self.estimate(pixels)
        if found is None:
            return pixels
        density = optical_density(pixels)
        return from_density(
            density + tissue_weight(density) * (self.apply(density, found) - density)
        )


def method_class(name: str) -> type[StainMethod]:
    """The class of a method's name in lower case.

    Raises:
        ConfigError: No such method; the message lists them.
    """
    known = {cls.lower(): cls for cls in METHODS.names()}
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f'there is no method of stain normalisation called {name!r}; known: {", ".join(known)}'
        )
    found: type[StainMethod] = METHODS.get(known[name])
    return found


def build_method(name: str, numbers: Mapping[str, Any]) -> StainMethod:
    """A method with its reference.

    Raises:
        ConfigError: No such method, or numbers that are not those of one.
    """
    cls = method_class(name)
    if not isinstance(numbers, Mapping):
        raise ConfigError(
            f'reference of {name}: expected its numbers by name, found {type(numbers).__name__}'
        )
    check_options(f'reference of {name}', cls, numbers)
    return cls(**numbers)


def middle(found: Sequence[Numbers]) -> Numbers:
    """The median over pictures, number by number: one odd picture among many moves nothing."""
    return {name: np.median([one[name] for one in found], axis=0) for name in found[0]}


def checked(name: str, value: Any, shape: tuple[int, ...], positive: bool) -> NDArray[np.float32]:
    """A reference's numbers as an array.

    Raises:
        ConfigError: Of another shape, not finite, absurd or, where they must be, not positive.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    least = 0 if positive else -LARGEST
    if array.shape != shape or not ((array > least) & (array < LARGEST)).all():  # NaN is neither
        raise ConfigError(
            f'stain reference: {name} must be {" x ".join(map(str, shape))} numbers between {least} '
            f'and {LARGEST}, found {str(value)[:80]}'
        )
    return array.astype(np.float32)
