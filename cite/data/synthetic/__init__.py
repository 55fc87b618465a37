"""Synthetic H&E-like tissue: data for trying the library out, drawn and not photographed.

Names are imported on first use: who draws a patch needs none of the layouts on disk.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cite.data.synthetic.pairs import write_pairs
    from cite.data.synthetic.patchgastric import write_patchgastric
    from cite.data.synthetic.slides import write_slides

__all__ = ['write_pairs', 'write_patchgastric', 'write_slides']


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{name.removeprefix("write_")}'), name)
