"""The staining of a data set, estimated from the slides that a table lists and from no others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cite.data.randomness import generator
from cite.data.table import PatchTable, some
from cite.errors import ConfigError, DataError
from cite.images import load_rgb
from cite.images.stain.base import method_class
from cite.images.stain.normalize import StainReference, combine, estimate

PATCHES, PER_SLIDE = 200, 8

# purposes, the first of the key
_SLIDES, _PATCHES = 'stain fit: slides', 'stain fit: patches'


def fit_stain(
    table: PatchTable,
    method: str,
    patches: int = PATCHES,
    per_slide: int = PER_SLIDE,
    seed: int = 0,
    not_in: Iterable[str] = (),
    progress: bool = False,
) -> StainReference:
    """The median staining of a seeded, slide-balanced sample of patches.

    Args:
        table: Training patches. The order of its rows is of no consequence.
        method: 'macenko', 'reinhard'.
        patches: How many at most, and at most `per_slide` of a slide. With more slides than that, a
            draw of slides.
        seed: Which ones.
        not_in: Slides that must not have a part in it: those of the test set.
        progress: Show a bar where it takes longer than two seconds.

    Returns:
        The reference; `fitted_on` has the numbers of patches and slides that it comes from, the seed,
        and the SHA-256 of the sorted names of these slides, one a line.

    Raises:
        DataError: Slides that are in `not_in`; an image that does not decode; no patch with tissue.
        ConfigError: An unknown method, a number below 1.
    """
    from tqdm import tqdm

    method_class(method)
    for name, number in (('patches', patches), ('per_slide', per_slide)):
        if not isinstance(number, int) or number < 1:
            raise ConfigError(f'stain: {name} must be a whole number from 1, found {number!r}')
    shared = sorted(set(table.slides.tolist()) & set(not_in))
    if shared:
        raise DataError(
            f'stain: {len(shared)} training slides are in the test set as well: {some(shared)}. The '
            'reference is fitted on training slides only; split by slide, or give slides names of '
            'their own'
        )
    rows = stain_sample(table, patches, per_slide, seed)
    bar = tqdm(rows, desc=f'stain ({method})', unit='patch', delay=2, disable=not progress)
    estimates = [estimate(method, load_rgb(table.path(int(row)))) for row in bar]
    used = [row for row, found in zip(rows, estimates, strict=True) if found is not None]
    slides = np.unique(table.slides[used]).tolist()
    return combine(
        method, estimates, slides=len(slides), seed=seed, slides_sha256=slides_hash(slides)
    )


def stain_sample(table: PatchTable, patches: int, per_slide: int, seed: int) -> NDArray[np.int64]:
    """Rows of a slide-balanced sample, in order of their files: a function of names and seed.

    Slides take turns in a drawn order, each with its patches in a drawn order.
    """
    by_file = np.argsort(table.files, kind='stable')
    names, slide, counts = np.unique(table.slides[by_file], return_inverse=True, return_counts=True)
    of_slides = np.split(by_file[np.argsort(slide, kind='stable')], np.cumsum(counts)[:-1])
    turns: list[tuple[int, int, int]] = []
    for place, index in enumerate(generator(_SLIDES, seed).permutation(len(names))):
        draw = generator(_PATCHES, seed, str(names[index]))
        drawn = draw.permutation(of_slides[index])[:per_slide]
        turns += [(turn, place, int(row)) for turn, row in enumerate(drawn)]
    chosen = np.array([row for _, _, row in sorted(turns)[:patches]], dtype=np.int64)
    return by_file[np.isin(by_file, chosen)]


def slides_hash(slides: Iterable[str]) -> str:
    """SHA-256 of slide names, sorted, one a line: names no slide, and tells two sets apart."""
    return hashlib.sha256('\n'.join(sorted(slides)).encode()).hexdigest()
