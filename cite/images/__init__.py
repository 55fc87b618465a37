"""Images on their way to a tower: read, resized, batched."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cite.images.read import load_rgb

if TYPE_CHECKING:
    from cite.images.batches import image_batches
    from cite.images.resize import ResizePatch, to_uint8_tensor

__all__ = ['ResizePatch', 'image_batches', 'load_rgb', 'to_uint8_tensor']


def __getattr__(name: str) -> Any:
    """Reading an image needs no torch; what does is imported on first use."""
    if name in ('ResizePatch', 'to_uint8_tensor'):
        return getattr(import_module('cite.images.resize'), name)
    if name == 'image_batches':
        return import_module('cite.images.batches').image_batches
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
