"""A slide with its heat maps as one piece of HTML: `viewer_script` makes it a map that zooms.

All of it is in the page: the overview as JPEG, a PNG per class with a pixel per tile. So opacity and class
change at once, nothing is asked for from anywhere, and two users cannot meet.
"""

from __future__ import annotations

import base64
import html
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cite.demo.settings import NOTE

if TYPE_CHECKING:
    from cite.slides import SlideResult

QUALITY = 85


def viewer(result: SlideResult) -> str:
    """HTML of a result: `<cite-viewer>` with all it needs in an attribute."""
    content = html.escape(json.dumps(content_of(result)), quote=True)
    return f'<cite-viewer data-content="{content}"></cite-viewer>'


def content_of(result: SlideResult) -> dict[str, Any]:
    """What the script is given: plain values.

    Returns:
        note, picture (address), width, height (of it), um (micrometres per pixel of it), box (width and
        height of the maps in its pixels; they begin in its upper left corner), classes (name, address of
        the map, probability), colours (of the legend, from 0 to 1).
    """
    from cite.slides.outputs.colours import heat
    from cite.slides.outputs.maps import tile_map

    height, width = result.picture.shape[:2]
    down = result.size[0] / width, result.size[1] / height
    maps = tile_map(result)
    slide = result.probabilities
    return {
        'note': NOTE,
        'picture': _address(Image.fromarray(result.picture), 'JPEG', quality=QUALITY),
        'width': width,
        'height': height,
        'um': result.mpp[0] * down[0],
        'box': [
            maps.shape[1] * result.steps[0] / down[0],
            maps.shape[0] * result.steps[1] / down[1],
        ],
        'classes': [
            {
                'name': result.classes[at],
                'map': _address(Image.fromarray(heat(maps[..., at])), 'PNG'),
                'probability': float(slide[at]),
            }
            for at in np.argsort(-slide, kind='stable')
        ],
        'colours': [
            f'rgb({red},{green},{blue})' for red, green, blue, _ in heat(np.linspace(0, 1, 6))
        ],
    }


def _address(image: Image.Image, kind: str, **options: Any) -> str:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return f'data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}'
