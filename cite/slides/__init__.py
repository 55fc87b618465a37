"""Whole-slide images: read, find tissue, cut tiles at a resolution, ask a model, say where it said what.

from cite import slides
result = slides.predict('slide.svs', 'adapter.safetensors')  # writes nothing
result.label, result.probabilities, result.table, result.map_of('poorly differentiated')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cite.slides.inference import predict
    from cite.slides.readers import open_slide
    from cite.slides.result import SlideResult

_HOMES = {
    'SlideResult': 'cite.slides.result',
    'open_slide': 'cite.slides.readers',
    'predict': 'cite.slides.inference',
}

__all__ = ['SlideResult', 'open_slide', 'predict']


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_HOMES[name]), name)
