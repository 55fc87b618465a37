"""What is no usable picture: it does not decode, is too small, too long, or of one colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cite.data.prepare.duplicates import BLANK
from cite.errors import ConfigError
from cite.quality.filters.base import FILTERS, Filter, Verdict
from cite.quality.material import Material


@FILTERS.register
@dataclass(frozen=True)
class Unreadable(Filter):
    """Drops what does not decode or shows nothing.

    Args:
        least_side: Pixels of the shorter side.
        most_ratio: Longer side over the shorter.
        least_spread: Standard deviation of the pixels around their mean colour, in grey levels; below the
            default, duplicates cannot be told apart either.
    """

    least_side: int = 64
    most_ratio: float = 4.0
    least_spread: float = BLANK

    place: ClassVar[int] = 0
    needs_images: ClassVar[bool] = True
    by_default: ClassVar[bool] = True
    says: ClassVar[str] = (
        'What does not decode (missing, empty, cut off, an animation), is too small, much longer than '
        'wide, or of nearly one colour.'
    )

    def __post_init__(self) -> None:
        if self.least_side < 1 or self.most_ratio < 1 or self.least_spread < 0:
            raise ConfigError(
                'filter unreadable: least_side and most_ratio are at least 1, least_spread at least 0; '
                f'found {self.least_side}, {self.most_ratio} and {self.least_spread}'
            )

    def judge(self, material: Material, rows: NDArray[np.int64]) -> Verdict:
        looks = material.looks
        verdict = Verdict.keeping(
            len(rows),
            score_name='spread of the pixels around their mean colour (grey levels)',
            threshold=self.least_spread,
            about={
                'least_side': self.least_side,
                'most_ratio': self.most_ratio,
                'least_spread': self.least_spread,
            },
        )
        for place, row in enumerate(rows.tolist()):
            reason = looks.reasons[row]
            if reason:
                verdict.drop(place, _kind(reason), reason)
                continue
            width, height = (int(side) for side in looks.scan.sizes[row])
            spread = float(looks.scan.spreads[row])
            verdict.scores[place] = spread
            size = f'{width} x {height} pixels'
            if min(width, height) < self.least_side:
                verdict.drop(place, f'smaller than {self.least_side} pixels', size)
            elif max(width, height) > self.most_ratio * min(width, height):
                verdict.drop(place, f'longer than {self.most_ratio:g} : 1', size)
            elif spread < self.least_spread:
                verdict.drop(place, 'of nearly one colour', f'spread {spread:.1f}')
        return verdict


def _kind(reason: str) -> str:
    """What is told of one file, in words that many share."""
    for known in ('no such file', 'empty file', 'an animation', 'too large', 'pixels is too large'):
        if known in reason:
            return {'pixels is too large': 'too large'}.get(known, known)
    return 'does not decode'
