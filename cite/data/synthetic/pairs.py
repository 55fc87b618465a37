"""Synthetic patches, each with a caption of its own: image–caption training and zero-shot tasks."""

from __future__ import annotations

from pathlib import Path

from cite.data.randomness import generator
from cite.data.synthetic.captions import describe
from cite.data.synthetic.cases import Case
from cite.data.synthetic.patch_set import draw_patch_set
from cite.data.synthetic.populations import Population
from cite.data.synthetic.tables import describing, write_table
from cite.data.synthetic.terms import FINDINGS

_IMAGES = 'images'


def write_pairs(
    root: Path,
    slides_per_class: int = 30,
    patches_per_slide: int = 8,
    size: int = 300,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
    population: Population = 'any',
) -> Path:
    """Draw H&E-like patches with a caption each into `root` and return it.

    Writes `images/{slide}_{patch}.jpg` (RGB, `size` pixels square, `MPP` micrometres each),
    `pairs.csv` and `dataset.json`, which says what it is. The table has one row per patch, sorted by
    file: `file`, `caption`, `slide`, `grade` (well, moderately, poorly) and a column of 0 and 1 for
    each of `terms.FINDINGS`; `cite.data.read_pairs_csv` reads the first three. Captions say what a
    patch of 300 pixels shows, not what is elsewhere on its slide; a smaller one may show less. The
    patches are those of the other layouts with the same seed, population and numbers. What is there
    already is kept, as in `write_patchgastric`; `pairs.csv` is written last.

    Raises:
        ConfigError: a count or size out of range, or no such population.
        DataError: `root` holds something else, or a set of other parameters; nothing is changed.
    """
    root = Path(root)
    slides = draw_patch_set(
        root,
        'pairs',
        _IMAGES,
        _name,
        slides_per_class,
        patches_per_slide,
        size,
        seed,
        workers,
        progress,
        population,
    )
    table = root / 'pairs.csv'
    if not table.exists():
        rows = [
            row for case in describing(slides, progress) for row in _rows(case, patches_per_slide)
        ]
        write_table(table, ('file', 'caption', 'slide', 'grade', *FINDINGS), rows)
    return root


def _name(case: Case, number: int) -> str:
    return f'{case.id}_{number}.jpg'


def _rows(case: Case, patches: int) -> list[tuple[str, ...]]:
    slide = case.open()
    rows = []
    for number in range(patches):
        patch = slide.patch_attributes(number)
        text = describe(generator('synthetic patch caption', case.id, number), patch)
        found = [str(int(shows(patch))) for shows in FINDINGS.values()]
        file = f'{_IMAGES}/{_name(case, number)}'
        rows.append((file, text, case.id, case.grade.name.lower(), *found))
    return rows
