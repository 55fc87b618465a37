"""What of a slide's result can be taken away: tiles as a table and for QuPath, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cite.demo.settings import NOTE

if TYPE_CHECKING:
    from cite.demo.workspace import Workspace
    from cite.slides import SlideResult

FILES = ('tiles.parquet', 'tiles.geojson', 'heatmaps.png')
MOST_MAPS = 6
"""Classes that are drawn, the most probable first."""


def write_files(result: SlideResult, workspace: Workspace) -> list[Path]:
    """Writes `FILES` into new folders of the workspace, and returns their paths."""
    from cite.slides.outputs.drawing import scene
    from cite.slides.outputs.geojson import write_geojson
    from cite.slides.outputs.heatmap import overview_figure, save
    from cite.slides.outputs.table import write_table

    table, tiles, picture = (workspace.place(name) for name in FILES)
    write_table(table, result, {**result.record, 'note': NOTE})
    write_geojson(tiles, result)
    most = np.argsort(-result.probabilities, kind='stable')[:MOST_MAPS]
    save(overview_figure(scene(result), most.tolist()), picture)
    return [table, tiles, picture]
