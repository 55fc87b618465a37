"""The best method by groups of stain, over all of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cite.errors import CiteError
from cite.studies.record import PREDICTIONS
from cite.studies.report import inference, numbers
from cite.studies.report.gather import MAIN_LEVEL, MAIN_METRIC, PATCH, Material


@dataclass(frozen=True)
class StainGroupResult:
    """One group of slides.

    Attributes:
        name: 'A', 'B', …, palest first.
        colour: In words and as a number.
        slides: How many.
        missing: Classes without a slide in it.
        interval: Of balanced accuracy over the classes that it has.
    """

    name: str
    colour: str
    slides: int
    missing: tuple[str, ...]
    interval: inference.Interval


@dataclass(frozen=True)
class Stains:
    """What is known of a method's results by stain.

    Attributes:
        method: Which; '' where nothing was measured.
        groups: In order of their names.
        note: Why nothing was measured; '' where something was.
    """

    method: str = ''
    groups: tuple[StainGroupResult, ...] = ()
    note: str = ''


def by_stain(
    material: Material, method: str, data_root: Path | None = None, progress: bool = False
) -> Stains:
    """Results of a method at the largest shots by groups of stain.

    Args:
        method: With finished runs there.
        data_root: What relative file names start from; by default what the study recorded.

    Returns:
        Without groups, and with a note, where images cannot be read or slides do not make so many
        groups: the rest of a report needs no image.
    """
    from cite.evaluation.predictions import Predictions
    from cite.experiments.stain_groups import stain_groups

    study = material.study
    if study.stain_groups < 2:
        return Stains(note='Results by stain were not asked for (stain_groups).')
    runs = material.of(method, material.most)
    if data_root is None and study.data.get('root'):
        data_root = Path(str(study.data['root']))
    try:
        first = runs[0].tables.get(PATCH) or Predictions.from_parquet(
            runs[0].key.folder(material.folder) / PREDICTIONS
        )
        found = stain_groups(first, study.stain_groups, data_root, progress=progress)
    except CiteError as error:
        return Stains(note=f'Results by stain were left out: {" ".join(str(error).split())}')
    groups = []
    for group in found:
        own = set(group.results.slides)
        rows = np.flatnonzero([slide in own for slide in runs[0].tables[MAIN_LEVEL].slides])
        tables = {
            (run.key.split_seed, run.key.seed): numbers.select(run.tables[MAIN_LEVEL], rows)
            for run in runs
        }
        interval = inference.intervals(tables, [MAIN_METRIC], MAIN_LEVEL).get(MAIN_METRIC)
        if interval is not None:
            missing = tuple(group.results.missing)
            groups.append(StainGroupResult(group.name, group.colour, len(rows), missing, interval))
    return Stains(method, tuple(groups))
