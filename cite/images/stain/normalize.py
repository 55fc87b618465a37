"""A staining as plain numbers, and the step of a pipeline that brings pictures to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from cite.errors import ConfigError, DataError
from cite.images.resize import Picture
from cite.images.stain.base import Numbers, build_method, method_class, middle
from cite.images.stain.density import Pixels, like, pixels_of

DIGITS = 6
"""Of a reference's numbers: far finer than a grey level, and the same on every machine."""


@dataclass(frozen=True)
class StainReference:
    """What pictures are brought to: numbers that JSON holds, checked when it is made.

    Args:
        method: 'macenko', 'reinhard'.
        reference: The method's numbers by name, such as `{'mean': [...], 'std': [...]}`.
        fitted_on: What they were estimated from: counts, hashes, seed; {} where that is not known.

    Raises:
        ConfigError: An unknown method, or numbers that are not its own.
    """

    method: str
    reference: Mapping[str, Any]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        build_method(self.method, self.reference)
        plain = {
            name: np.round(np.asarray(value, dtype=np.float64), DIGITS).tolist()
            for name, value in self.reference.items()
        }
        object.__setattr__(self, 'reference', plain)
        object.__setattr__(self, 'fitted_on', dict(self.fitted_on))

    def to_dict(self) -> dict[str, Any]:
        """Plain values: method, reference, fitted_on."""
        return {
            'method': self.method,
            'reference': dict(self.reference),
            'fitted_on': dict(self.fitted_on),
        }

    @classmethod
    def from_dict(cls, content: Any) -> StainReference:
        """What `to_dict` gave.

        Raises:
            ConfigError: Anything else.
        """
        known = {'method', 'reference', 'fitted_on'}
        if (
            not isinstance(content, Mapping)
            or not {'method', 'reference'} <= content.keys() <= known
        ):
            raise ConfigError(
                f'a stain reference has {", ".join(sorted(known))}; found {str(content)[:80]}'
            )
        fitted_on = content.get('fitted_on', {})
        if not isinstance(fitted_on, Mapping):
            raise ConfigError(f'stain reference: fitted_on is no mapping: {str(fitted_on)[:80]}')
        return cls(content['method'], content['reference'], fitted_on)

    def same_numbers(self, other: StainReference) -> bool:
        """Whether both do the same to a picture, wherever they were fitted."""
        return (self.method, self.reference) == (other.method, other.reference)


class NormalizeStain:
    """Brings pictures to one staining; a step of a pipeline, the first one.

    Args:
        method: 'macenko' or 'reinhard'.
        reference: The numbers of the method, as `StainReference.reference` has them.

    A picture that shows too little to tell its staining (glass, one colour, black, less than 200
    pixels of tissue) is returned as it is.

    Raises:
        ConfigError: An unknown method, or numbers that are not its own.
    """

    def __init__(self, method: str, reference: Mapping[str, Any]) -> None:
        self.method = build_method(method, reference)

    def __call__(self, picture: Picture) -> Picture:
        """RGB image or uint8 tensor 3 x H x W; the result is of the same kind and size."""
        pixels = pixels_of(picture)
        found = self.method(pixels)
        return picture if found is pixels else like(picture, found)  # type: ignore[return-value]


def estimate(method: str, picture: Image.Image | Pixels) -> Numbers | None:
    """A method's numbers of one picture, or None where it shows too little to tell."""
    pixels = picture if isinstance(picture, np.ndarray) else pixels_of(picture)
    return method_class(method).estimate(pixels)


def fit_reference(method: str, pictures: Iterable[Image.Image | Pixels]) -> StainReference:
    """The median staining of pictures: RGB images or uint8 arrays H x W x 3.

    Each picture is estimated by itself, because dyes mixed over differently stained slides would be
    the extremes of all of them.

    Raises:
        ConfigError: An unknown method.
        DataError: No picture has enough tissue.
    """
    return combine(method, [estimate(method, picture) for picture in pictures])


def combine(method: str, estimates: Iterable[Numbers | None], **fitted_on: Any) -> StainReference:
    """The reference of `estimate`d pictures.

    Raises:
        DataError: None of them could be estimated.
    """
    found = list(estimates)
    usable = [numbers for numbers in found if numbers is not None]
    if not usable:
        raise DataError(
            f'stain reference: none of {len(found)} pictures has enough stained tissue to estimate '
            f'{method} from (200 pixels and 5 % of the picture, in more than one colour)'
        )
    return StainReference(method, middle(usable), {'patches': len(usable), **fitted_on})
