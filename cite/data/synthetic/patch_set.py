"""What the two layouts of patches share: the same slides, drawn into a folder of the layout's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cite.data.synthetic.cases import Case, cases
from cite.data.synthetic.drawing import draw_missing_patches
from cite.data.synthetic.folder import check_least, check_population, claim
from cite.data.synthetic.populations import Population
from cite.data.synthetic.tissue import SMALLEST


def draw_patch_set(
    root: Path,
    layout: str,
    images: str,
    name: Callable[[Case, int], str],
    slides_per_class: int,
    patches_per_slide: int,
    size: int,
    seed: int,
    workers: int,
    progress: bool,
    population: Population,
) -> list[Case]:
    """Claims `root` for a layout, draws the patches that it lacks, and returns its slides.

    Args:
        images: Folder of the patches within `root`.
        name: Slide and number of a patch → its file name.
        (the others): See `write_patchgastric`.

    Raises:
        ConfigError: A count or size out of range, or no such population.
        DataError: `root` holds something else, or a set of other parameters; nothing is changed.
    """
    check_least(slides_per_class=(slides_per_class, 1), patches_per_slide=(patches_per_slide, 1))
    check_least(size=(size, SMALLEST), seed=(seed, 0), workers=(workers, 1))
    check_population(population)
    slides = cases(seed, population, slides_per_class)
    parameters = {
        'population': population,
        'seed': seed,
        'slides_per_class': slides_per_class,
        'patches_per_slide': patches_per_slide,
        'size': size,
    }
    counts = {'slides': len(slides), 'patches': len(slides) * patches_per_slide}
    claim(root, layout, parameters, counts)
    names = [(case, [name(case, i) for i in range(patches_per_slide)]) for case in slides]
    draw_missing_patches(root / images, names, size, workers, progress)
    return slides
