"""All pictures of a report, in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cite.pages.document import Picture, Section
from cite.studies.report.figures import (
    confusion,
    cost,
    factors,
    forest,
    precision_recall,
    reliability,
    risk_coverage,
    roc,
    shots,
)
from cite.studies.report.figures.style import save

if TYPE_CHECKING:
    from cite.studies.report.facts import Facts

PICTURES = (
    shots,
    forest,
    factors,
    cost,
    confusion,
    roc,
    precision_recall,
    reliability,
    risk_coverage,
)
FOLDER = 'figures'


def draw_pictures(facts: Facts, folder: Path) -> dict[str, Section]:
    """Draws all that have something to show into `figures/`: name → section of the report.

    A picture of an earlier report that has nothing to show any more is deleted.
    """
    found = {}
    for picture in PICTURES:
        path = folder / FOLDER / f'{picture.NAME}.png'
        figure = picture.draw(facts)
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        save(figure, path)
        shown = Picture(f'{FOLDER}/{picture.NAME}.png', picture.TITLE, picture.caption(facts))
        found[picture.NAME] = Section(picture.TITLE, (shown,))
    return found
