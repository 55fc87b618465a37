"""The folder of a slide, from its result."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cite.atomic import write_json, write_text
from cite.errors import ConfigError, DataError
from cite.pages.html import render_html
from cite.slides.outputs.drawing import scene
from cite.slides.outputs.folder import replacing_folder
from cite.slides.outputs.geojson import write_geojson
from cite.slides.outputs.heatmap import heatmap, overview_figure, save
from cite.slides.outputs.pdf import as_picture, write_pdf
from cite.slides.outputs.pyramid import write_map
from cite.slides.outputs.report import report
from cite.slides.outputs.sheet import tile_sheet
from cite.slides.outputs.summary import summary
from cite.slides.outputs.table import write_table
from cite.slides.readers import open_slide
from cite.slides.result import SlideResult
from cite.slides.uncertainty import uncertainty

SUMMARY = 'summary.json'
LONGEST_NAME = 60


@dataclass(frozen=True)
class Wanted:
    """What is written besides what always is.

    Attributes:
        classes: Names of the classes that maps and tiles are drawn of; () for all.
        pdf: Also `report.pdf`.
        record: More for the record: plain values.
    """

    classes: Sequence[str] = ()
    pdf: bool = False
    record: dict[str, Any] = field(default_factory=dict)


def write_outputs(
    result: SlideResult,
    folder: Path,
    wanted: Wanted | None = None,
    key: str = '',
    since: float | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Writes everything of a slide into a folder, which is replaced as a whole.

    Args:
        result: What the model said.
        folder: May be there already.
        key: Of the question, for `summary.json`.
        since: `time.monotonic()` at which the slide was begun, for `summary.json`.
        progress: Show a bar where it takes longer than two seconds.

    Returns:
        What `summary.json` says.

    Raises:
        DataError: No tile was predicted, or the slide can no longer be read.
        ConfigError: A class that the model does not know, or tifffile is not installed.
        OutputError: A disk that is full or read-only.
    """
    wanted = wanted or Wanted()
    numbers = class_numbers(result.classes, wanted.classes)
    if not len(result.rows):
        raise DataError(
            f'slide {result.path}: none of {len(result.grid)} tiles with tissue was shown to the model: '
            f'{len(result.blurred)} are blurred, {len(result.damaged)} damaged. Was it scanned out of '
            'focus? A lower --blur takes blurred ones'
        )
    with open_slide(result.path) as slide:
        tiles = tile_sheet(slide, result, numbers)
    about = summary(result, uncertainty(result))
    about['record'] = {**about['record'], **wanted.record}
    of = scene(result)
    stems = file_stems(result.classes)
    bar = tqdm(
        total=2 * len(numbers) + 4, desc='writing', delay=2, disable=not progress, leave=False
    )
    with bar, replacing_folder(folder) as place:
        write_table(place / 'predictions.parquet', result, about['record'])
        bar.update()
        write_geojson(place / 'tiles.geojson', result)
        bar.update()
        for number in numbers:
            save(heatmap(of, number), place / f'heatmap_{stems[number]}.png')
            bar.update()
            step = (result.grid.spec.size - result.grid.spec.overlap) * result.grid.spec.mpp
            said = {'slide': result.name, 'class': result.classes[number]}
            path = place / f'heatmap_{stems[number]}.tif'
            write_map(path, of.maps[..., number], step, result.steps, said)
            bar.update()
        together = overview_figure(of, numbers)
        save(together, place / 'heatmap.png')
        bar.update()
        tiles.save(place / 'tiles.png')
        drawn = [(result.classes[n], f'heatmap_{stems[n]}.png') for n in numbers]
        write_text(place / 'report.html', render_html(report(about, drawn), place))
        if wanted.pdf:
            write_pdf(place / 'report.pdf', about, as_picture(together), tiles)
        bar.update()
        files = sorted(path.name for path in place.iterdir())
        seconds = round(time.monotonic() - since, 2) if since is not None else None
        about = {**about, 'seconds': seconds, 'key': key, 'files': files}
        write_json(place / SUMMARY, about)
    return about


def class_numbers(known: Sequence[str], names: Sequence[str]) -> list[int]:
    """Numbers of classes, each once, in the order of the model; of all, where none is named.

    Raises:
        ConfigError: A name that is none of them.
    """
    for name in names:
        if name not in known:
            raise ConfigError(f'--class {name}: the adapter knows {", ".join(known)}')
    return [at for at, name in enumerate(known) if not names or name in names]


def file_stems(classes: Sequence[str]) -> list[str]:
    """What classes are called in names of files: letters, digits, '-' and '_', no two alike."""
    stems: list[str] = []
    for name in classes:
        stem = re.sub(r'[^\w-]+', '_', name).strip('_')[:LONGEST_NAME] or 'class'
        taken = {known.lower() for known in stems}  # some disks do not tell case apart
        unique, number = stem, 2
        while unique.lower() in taken:
            unique, number = f'{stem}_{number}', number + 1
        stems.append(unique)
    return stems
