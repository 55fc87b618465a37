"""The synthetic set in PatchGastric's own layout, so that one reader serves both."""

from __future__ import annotations

from pathlib import Path

from cite.data.synthetic.captions import subtype
from cite.data.synthetic.patch_set import draw_patch_set
from cite.data.synthetic.populations import Population
from cite.data.synthetic.tables import describing, slide_caption, write_table


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
    root = Path(root)
    slides = draw_patch_set(
        root,
        'patchgastric',
        'patches_captions',
        lambda case, number: f'{case.id}_{case.patch_id(number)}.jpg',
        slides_per_class,
        patches_per_slide,
        size,
        seed,
        workers,
        progress,
        population,
    )
    table = root / 'captions.csv'
    if not table.exists():
        rows = []
        for case in describing(slides, progress):
            slide = case.open()
            rows.append((case.id, subtype(slide.attributes), slide_caption(case, slide)))
        write_table(table, ('id', 'subtype', 'text'), rows)
    return root
