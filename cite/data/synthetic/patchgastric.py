"""The synthetic set in PatchGastric's own layout, so that one reader serves both."""

from __future__ import annotations

from pathlib import Path

from cite.data.synthetic.captions import subtype
from cite.data.synthetic.cases import cases
from cite.data.synthetic.drawing import draw_missing_patches
from cite.data.synthetic.folder import check_least, check_population, claim
from cite.data.synthetic.populations import Population
from cite.data.synthetic.tables import describing, slide_caption, write_table
from cite.data.synthetic.tissue import SMALLEST


def write_patchgastric(
    root: Path,
    slides_per_class: int = 30,
    patches_per_slide: int = 8,
    size: int = 300,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
    population: Population = 'any',
) -> Path:
    """Draw H&E-like tissue of three grades into `root` and return it.

    Writes `captions.csv` (id, subtype, text; one row per slide), `patches_captions/{id}_{hash}.jpg`
    (RGB, `size` pixels square, `MPP` micrometres each) and `dataset.json`, which says what it is.
    The poorly differentiated slides are solid and non-solid in turn. Seed, population, grade, slide
    number and patch number fix every pixel: more slides or workers leave those already drawn as they
    are. A complete set of the same parameters is left as it is, an interrupted one is continued;
    `captions.csv` is written last. With `workers` > 1 a script needs the usual
    `if __name__ == '__main__':` guard.

    Raises:
        ConfigError: a count or size out of range, or no such population.
        DataError: `root` holds something else, or a set of other parameters; nothing is changed.
    """
    check_least(slides_per_class=(slides_per_class, 1), patches_per_slide=(patches_per_slide, 1))
    check_least(size=(size, SMALLEST), seed=(seed, 0), workers=(workers, 1))
    check_population(population)
    root = Path(root)
    slides = cases(seed, population, slides_per_class)
    parameters = {
        'population': population,
        'seed': seed,
        'slides_per_class': slides_per_class,
        'patches_per_slide': patches_per_slide,
        'size': size,
    }
    counts = {'slides': len(slides), 'patches': len(slides) * patches_per_slide}
    claim(root, 'patchgastric', parameters, counts)
    names = [
        (case, [f'{case.id}_{case.patch_id(i)}.jpg' for i in range(patches_per_slide)])
        for case in slides
    ]
    draw_missing_patches(root / 'patches_captions', names, size, workers, progress)
    table = root / 'captions.csv'
    if not table.exists():
        rows = []
        for case in describing(slides, progress):
            slide = case.open()
            rows.append((case.id, subtype(slide.attributes), slide_caption(case, slide)))
        write_table(table, ('id', 'subtype', 'text'), rows)
    return root
