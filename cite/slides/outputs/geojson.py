"""Tiles as GeoJSON that QuPath opens (File › Import objects; drag and drop works as well).

QuPath 0.4 and later read of a Feature: `id` (a UUID), `geometry` in pixels of level 0, and of `properties`
`objectType`, `classification` with `name` and `color`, and `measurements` as an object of numbers
(`PathObjectTypeAdapters` in its source).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from cite.slides.outputs.colours import class_colours

if TYPE_CHECKING:
    from cite.slides.result import SlideResult

DIGITS = 6


def write_geojson(
    path: Path, result: SlideResult, kind: Literal['tile', 'annotation'] = 'tile'
) -> None:
    """Writes a FeatureCollection, a square per predicted tile, one at a time: memory does not grow with
    their number.

    Args:
        kind: 'tile' for QuPath's detection tiles, which it shows in hundred thousands; 'annotation' for
            shapes that can be edited.
    """
    colours = class_colours(len(result.classes))
    classes = [
        json.dumps({'name': name, 'color': list(colour)}, ensure_ascii=False)
        for name, colour in zip(result.classes, colours, strict=True)
    ]
    names = [json.dumps(f'p_{name}', ensure_ascii=False) for name in result.classes]
    width, height = round(result.grid.side[0]), round(result.grid.side[1])
    x, y = result.grid.x[result.rows].tolist(), result.grid.y[result.rows].tolist()
    best = result.scores.argmax(1).tolist()
    others = np.stack([result.grid.tissue, result.sharpness], 1)[result.rows]
    with path.open('w', encoding='utf-8', newline='\n') as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for row, (left, top) in enumerate(zip(x, y, strict=True)):
            right, bottom = left + width, top + height
            corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
            shares = ', '.join(
                f'{name}: {share:.{DIGITS}g}'
                for name, share in zip(names, result.scores[row].tolist(), strict=True)
            )
            tissue, sharp = others[row].tolist()
            file.write(
                f'{"," if row else ""}\n'
                f'{{"type": "Feature", "id": "{uuid5(NAMESPACE_URL, f"{result.name}/{left}/{top}")}", '
                f'"geometry": {{"type": "Polygon", "coordinates": [{corners}]}}, '
                f'"properties": {{"objectType": "{kind}", "classification": {classes[best[row]]}, '
                f'"measurements": {{{shares}, "tissue": {tissue:.{DIGITS}g}, '
                f'"sharpness": {sharp:.{DIGITS}g}}}}}}}'
            )
        file.write('\n]}\n')
