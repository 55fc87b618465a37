"""Folders of slides without their pictures, which take most of the time and are tested by themselves."""

from __future__ import annotations

import pytest
from PIL import Image

WRITE = 'cite.slides.outputs.write.'


def leave_out_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the same names with hardly anything in them."""
    for name in ('heatmap', 'overview_figure'):
        monkeypatch.setattr(WRITE + name, lambda *_: None)
    monkeypatch.setattr(WRITE + 'tile_sheet', lambda *_: Image.new('RGB', (8, 8)))
    monkeypatch.setattr(WRITE + 'save', lambda figure, path: path.write_bytes(b'png'))
