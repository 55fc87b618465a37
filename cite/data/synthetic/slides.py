"""Whole synthetic slides, as pyramids: for what reads a slide by regions and levels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cite.data.synthetic.captions import subtype
from cite.data.synthetic.cases import Case, cases
from cite.data.synthetic.drawing import JPEG_QUALITY, run
from cite.data.synthetic.folder import MPP, NOTE, check_least, check_population, claim
from cite.data.synthetic.populations import Population
from cite.data.synthetic.pyramid import write_pyramid
from cite.data.synthetic.tables import describing, slide_caption, write_table
from cite.errors import ConfigError

SMALLEST, LARGEST = 256, 8192  # pixels; a slide is drawn in one piece


def write_slides(
    root: Path,
    slides_per_class: int = 4,
    side: int = 4096,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
    population: Population = 'any',
) -> Path:
    """Draw whole slides of three grades into `root` and return it.

    Writes `slides/{id}.tif` (pyramidal tiled TIFF, see `write_pyramid`, `side` pixels square at
    `MPP` micrometres each), `slides.csv` (slide, file, label, caption; the label is the subtype as
    in PatchGastric's captions.csv) and `dataset.json`, which says what it is. The slides are those
    of the other layouts with the same seed, population and numbers. What is there already is kept,
    as in `write_patchgastric`; `slides.csv` is written last. A process that draws needs memory in
    proportion to the area: about 2 GB at the default `side`.

    Raises:
        ConfigError: a count or size out of range, or no such population.
        DataError: `root` holds something else, or a set of other parameters; nothing is changed.
    """
    check_least(slides_per_class=(slides_per_class, 1), side=(side, SMALLEST))
    check_least(seed=(seed, 0), workers=(workers, 1))
    if side > LARGEST:
        raise ConfigError(f'synthetic set: side must be at most {LARGEST} pixels, got {side}')
    check_population(population)
    root = Path(root)
    slides = cases(seed, population, slides_per_class)
    parameters = {
        'population': population,
        'seed': seed,
        'slides_per_class': slides_per_class,
        'side': side,
    }
    claim(root, 'slides', parameters, {'slides': len(slides)})
    folder = root / 'slides'
    folder.mkdir(exist_ok=True)
    tasks = [_Task(case, path, side) for case in slides if not (path := _path(root, case)).exists()]
    run(draw_slide, tasks, len(tasks), 'slide', workers, progress)
    table = root / 'slides.csv'
    if not table.exists():
        rows = []
        for case in describing(slides, progress):
            slide = case.open()
            file = _path(root, case).relative_to(root).as_posix()
            rows.append((case.id, file, subtype(slide.attributes), slide_caption(case, slide)))
        write_table(table, ('slide', 'file', 'label', 'caption'), rows)
    return root


@dataclass(frozen=True)
class _Task:
    case: Case
    path: Path
    side: int


def draw_slide(task: _Task) -> int:
    """Draw one slide; runs in worker processes."""
    picture = task.case.open().region(task.side)
    write_pyramid(task.path, picture, MPP, NOTE, JPEG_QUALITY)
    return 1


def _path(root: Path, case: Case) -> Path:
    return root / 'slides' / f'{case.id}.tif'
