"""Which slides of the pool train: k of every class, one draw per split seed, fewer within more."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cite.atomic import write_text
from cite.data.randomness import generator
from cite.data.splits import nested_shots
from cite.data.table import PatchTable

_PURPOSE = 211  # second in the key after the seed; splits and samplers have others


@dataclass(frozen=True)
class Draw:
    """The training slides of one split seed at one k.

    Attributes:
        table: Their patches.
        hash: SHA-256 of the slides by class, as canonical JSON.
    """

    table: PatchTable
    hash: str


def draw_slides(pool: PatchTable, shots: str, split_seed: int) -> Draw:
    """k slides of every class, the first k of a permutation of the class's sorted slides.

    The permutation is seeded by (split seed, class name), so it depends neither on other classes nor on
    the order of rows, and the slides of k shots are among those of every larger number.

    Raises:
        DataError: A class with fewer slides than that.
    """
    order: dict[str, tuple[str, ...]] = {}
    for name in pool.classes:
        slides = pool.slides_of(name)
        drawn = generator(split_seed, _PURPOSE, name).permutation(len(slides))
        order[name] = tuple(slides[place] for place in drawn)
    wanted: list[int | str] = ['all' if shots == 'all' else int(shots)]
    chosen = nested_shots(order, wanted, pool.source)[shots]  # type: ignore[arg-type]
    text = json.dumps({name: sorted(slides) for name, slides in chosen.items()}, sort_keys=True)
    taken = [slide for slides in chosen.values() for slide in slides]
    rows = np.flatnonzero(np.isin(pool.slides, taken))
    return Draw(pool.subset(rows), hashlib.sha256(text.encode()).hexdigest())


def write_manifest(table: PatchTable, path: Path) -> Path:
    """`file,label,slide[,patient]`, files with their whole paths.

    Returns:
        The absolute path of the manifest.
    """
    content, root = io.StringIO(), Path(table.root).absolute()
    rows = csv.writer(content, lineterminator='\n')
    named = [] if table.patients is None else ['patient']
    rows.writerow(['file', 'label', 'slide', *named])
    for index in range(len(table)):
        row = [
            root / str(table.files[index]),
            table.classes[int(table.labels[index])],
            table.slides[index],
        ]
        rows.writerow(row if table.patients is None else [*row, table.patients[index]])
    write_text(path, content.getvalue())
    return path.resolve()
