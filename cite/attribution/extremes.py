"""Across patches: those that a model holds most and least for each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cite.errors import DataError
from cite.images.contact_sheet import Cell, Row, contact_sheet

if TYPE_CHECKING:
    from PIL import Image


class Scored(Protocol):
    """Patches with their scores: a `Prediction` of an adapter, a `SlideResult`."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """(N, C)."""

    @property
    def classes(self) -> tuple[str, ...]:
        """C names."""


class Extremes(NamedTuple):
    """Numbers of patches, the most extreme first.

    Attributes:
        top, bottom: Those with the highest and the lowest scores; no patch is in both.
    """

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]


def extremes(scores: NDArray[np.floating], k: int = 8) -> list[Extremes]:
    """The k patches with the highest and the k with the lowest score of each class.

    Of equal scores the patch that comes first is taken first, so that every run gives the same. Where there
    are fewer than 2 k patches, the top takes half of them. Patches whose score is NaN are left out.

    Args:
        scores: (N, C).
        k: At least 1.

    Raises:
        DataError: No patches, a table of another form, or a k below 1.
    """
    if scores.ndim != 2 or not len(scores) or k < 1:
        raise DataError(
            f'extremes need scores (patches, classes) and k of at least 1, found {scores.shape} and k={k}'
        )
    found = []
    for column in scores.T:
        known = np.flatnonzero(~np.isnan(column))
        high = known[np.argsort(-column[known], kind='stable')]
        top = high[: min(k, -(-len(high) // 2))]
        rest = np.setdiff1d(known, top)
        low = rest[np.argsort(column[rest], kind='stable')][:k]
        found.append(Extremes(top, low))
    return found


def top_patches(
    scored: Scored,
    k: int = 8,
    pictures: Sequence[Path | str | Image.Image] | Callable[[int], Image.Image] | None = None,
    title: str = '',
) -> Image.Image:
    """A sheet: for each class a row of the patches most and one of those least held for it.

    Args:
        scored: Scores and classes; its `names`, where it has them, stand under the patches.
        k: Patches in a row.
        pictures: Of the N patches, or number → picture, for tiles of a slide; default: the files that the
            names are.
        title: Above all.

    Raises:
        DataError: See `extremes`; or no pictures, or another number of them than of scores.
    """
    names: Sequence[str] | None = getattr(scored, 'names', None)
    if pictures is None:
        if names is None:
            raise DataError('top_patches: these scores name no files; give their pictures')
        pictures = [Path(name) for name in names]
    if not callable(pictures) and len(pictures) != len(scored.scores):
        raise DataError(f'{len(pictures)} pictures were given for {len(scored.scores)} scores')
    rows = []
    for label, (name, found) in enumerate(
        zip(scored.classes, extremes(scored.scores, k), strict=True)
    ):
        for what, numbers in (('highest', found.top), ('lowest', found.bottom)):
            cells = [
                Cell(
                    _picture(pictures, int(number)),
                    _caption(names, int(number), float(scored.scores[number, label])),
                )
                for number in numbers
            ]
            rows.append(Row(f'{name}: {what}', cells))
    return contact_sheet(rows, title=title, columns=k)


def _picture(
    pictures: Sequence[Path | str | Image.Image] | Callable[[int], Image.Image], number: int
) -> Path | Image.Image:
    found = pictures(number) if callable(pictures) else pictures[number]
    return Path(found) if isinstance(found, str) else found


def _caption(names: Sequence[str] | None, number: int, score: float) -> str:
    own = f'patch {number}' if names is None else Path(names[number]).name
    return f'{score:.3f}\n{own}'
