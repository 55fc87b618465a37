"""Does a model do worse where tissue is stained otherwise? Results of a run by groups of stain.

Slides are grouped by the colour of their tissue alone: no label, no score and no laboratory's name has
a part in it.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.errors import DataError
from cite.evaluation.groups import GroupMetrics, metrics_by_group
from cite.evaluation.predictions import Predictions
from cite.images import load_rgb
from cite.images.stain.density import from_density, optical_density, pixels_of, tissue_pixels

PATCHES_PER_SLIDE = 4
NO_TISSUE = 'no tissue'
MOST_GROUPS = 26  # one letter each
_HUES = (  # up to so many degrees
    (20, 'red'),
    (65, 'brown'),
    (170, 'green'),
    (245, 'blue'),
    (272, 'violet'),
    (300, 'purple'),
    (322, 'magenta'),
    (345, 'pink'),
    (361, 'red'),
)

Density = NDArray[np.float64]


@dataclass(frozen=True)
class StainGroup:
    """Slides of like colour, and what the model did on them.

    Attributes:
        density: Mean optical density of the tissue in red, green, blue; None for `NO_TISSUE`.
        of_slides: Slide → its density.
    """

    results: GroupMetrics
    density: Density | None
    of_slides: dict[str, Density]

    @property
    def name(self) -> str:
        return self.results.name

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """The colour of the tissue, 0 to 255."""
        if self.density is None:
            return None
        red, green, blue = from_density(self.density.astype(np.float32)).tolist()
        return red, green, blue

    @property
    def colour(self) -> str:
        """In words, such as 'pale pink #e2b1d4'."""
        if self.rgb is None:
            return '-'
        return f'{colour_word(self.rgb)} #{"".join(f"{value:02x}" for value in self.rgb)}'


def stain_groups(
    predictions: Predictions,
    groups: int = 3,
    data_root: Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[StainGroup]:
    """Groups the slides of a run by stain, palest first, and evaluates each group.

    A slide's stain is the median optical density of the tissue in up to 4 of its patches, in red, green
    and blue; k-means groups the slides. Slides without tissue are a group of their own, at the end.
    The order of the rows is of no consequence.

    Args:
        predictions: Of patches whose files can be read.
        groups: How many.
        data_root: Folder that relative file names start from; the working folder by default.
        seed: Of k-means.

    Raises:
        DataError: Files that are not there or do not decode, or less stains than groups.
    """
    _check_count(groups, len(set(predictions.slides)))  # now, not after the work
    found = measure_slides(predictions, data_root, progress)
    stains = {slide: density for slide, density in found.items() if density is not None}
    names = group_slides(stains, groups, seed)
    results = metrics_by_group(predictions, {slide: names.get(slide, NO_TISSUE) for slide in found})
    made = []
    for group in results:
        own = {slide: stains[slide] for slide in group.slides if slide in stains}
        density = np.mean(list(own.values()), axis=0) if own else None
        made.append(StainGroup(group, density, own))
    return made


def measure_slides(
    predictions: Predictions, data_root: Path | None = None, progress: bool = False
) -> dict[str, Density | None]:
    """Slide → median optical density of its tissue in red, green, blue; None without tissue.

    Raises:
        DataError: Files that are not there or do not decode.
    """
    from tqdm import tqdm

    chosen = sample_files(predictions, PATCHES_PER_SLIDE)
    root = Path(data_root or '.')
    missing = [file for files in chosen.values() for file in files if not (root / file).is_file()]
    if missing:
        raise DataError(
            f'{len(missing)} patches of the run are not there, first: {root / missing[0]}. Relative '
            'names start in the folder that the run was tested in: run the report there'
        )
    found: dict[str, Density | None] = {}
    for slide, files in tqdm(
        chosen.items(), desc='stain', unit='slide', delay=2, disable=not progress
    ):
        tissue = [tissue_pixels(pixels_of(load_rgb(root / file))) for file in files]
        pixels = [part for part in tissue if part is not None]
        found[slide] = (
            np.median(optical_density(np.concatenate(pixels)), axis=0).astype(np.float64)
            if pixels
            else None
        )
    return found


def sample_files(predictions: Predictions, count: int) -> dict[str, list[str]]:
    """Slide → up to `count` of its files, by digest of their names: on every machine the same draw."""
    of_slide: dict[str, set[str]] = defaultdict(set)
    for slide, file in zip(predictions.slides, predictions.files, strict=True):
        of_slide[slide].add(file)
    return {slide: sorted(of_slide[slide], key=_draw)[:count] for slide in sorted(of_slide)}


def _draw(file: str) -> tuple[bytes, str]:
    # the folder differs between machines, and decides only between files of one name
    return hashlib.sha256(Path(file).name.encode()).digest(), file


def group_slides(stains: Mapping[str, Density], groups: int, seed: int = 0) -> dict[str, str]:
    """Slide → 'A', 'B', …, palest first, by k-means of the densities.

    Raises:
        DataError: Less different stains than groups.
    """
    from sklearn.cluster import KMeans

    slides = sorted(stains)
    values = np.array([stains[slide] for slide in slides]).reshape(-1, 3)
    _check_count(groups, len(np.unique(values, axis=0)))
    labels = KMeans(groups, n_init=10, random_state=seed).fit(values).labels_
    darkness = [values[labels == label].mean() for label in range(groups)]
    order = {label: chr(ord('A') + place) for place, label in enumerate(np.argsort(darkness))}
    return {slide: order[label] for slide, label in zip(slides, labels.tolist(), strict=True)}


def _check_count(groups: int, slides: int) -> None:
    if not 1 <= groups <= min(slides, MOST_GROUPS):
        raise DataError(
            f'{groups} groups of stain: the run has {slides} slides of different stain; ask for 1 to '
            f'{min(slides, MOST_GROUPS)} groups'
        )


def colour_word(rgb: Sequence[int]) -> str:
    """A word for a colour of tissue, with 'pale' or 'dark' where it is."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(number / 255 for number in rgb))
    lightness = float(np.mean(rgb)) / 255
    shade = 'pale ' if lightness > 0.78 else 'dark ' if lightness < 0.5 else ''
    if saturation < 0.06 or value < 0.1:
        return f'{shade}grey'
    return shade + next(word for limit, word in _HUES if hue * 360 < limit)
