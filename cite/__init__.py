"""Parameter-efficient adaptation of frozen pathology encoders, with heads anchored in text.

    import cite
    tower = cite.load_vision('clip-vit-b16')
    tower.encode_images(paths, batch_size=64)
    text = cite.load_text('biolinkbert-large')
    text.encode_text(['poorly differentiated adenocarcinoma'])
    pair = cite.load_pair('tiny-tissue')  # encode_images and encode_text in one space
    cite.load('adapter.safetensors').predict(paths)

Names are imported on first use: importing `cite` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = '0.1.0'

if TYPE_CHECKING:
    from cite.encoders.pairs import load_pair
    from cite.encoders.text import load_text
    from cite.encoders.vision import load_vision
    from cite.paths import configs_dir
    from cite.serving import load

_HOMES = {
    'load': 'cite.serving',
    'load_pair': 'cite.encoders.pairs',
    'load_text': 'cite.encoders.text',
    'load_vision': 'cite.encoders.vision',
    'configs_dir': 'cite.paths',
}

__all__ = ['__version__', 'configs_dir', 'load', 'load_pair', 'load_text', 'load_vision']


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_HOMES[name]), name)
