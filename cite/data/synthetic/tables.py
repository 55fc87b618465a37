"""The tables that stand beside the pictures of a synthetic set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from cite.atomic import write_text
from cite.data.randomness import generator
from cite.data.synthetic.captions import caption
from cite.data.synthetic.cases import Case
from cite.data.synthetic.tissue import Slide


def write_table(path: Path, header: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Write rows in sorted order, which is that of the identifiers and mixes the grades."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator='\n')
    writer.writerow(header)
    writer.writerows(sorted(rows))
    write_text(path, table.getvalue())


def describing(cases: Sequence[Case], progress: bool) -> Iterable[Case]:
    """The slides, under a progress bar where that takes more than two seconds."""
    from tqdm import tqdm

    return tqdm(cases, desc='describing', unit='slide', delay=2, disable=not progress)


def slide_caption(case: Case, slide: Slide) -> str:
    """The report on a slide, the same in every layout."""
    return caption(generator('synthetic caption', case.id), slide.attributes)
