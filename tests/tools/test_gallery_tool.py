"""The gallery of the synthetic tissue, drawn small."""

from __future__ import annotations

import runpy
import sys

import pytest
from PIL import Image
from repo import REPO

GALLERY = str(REPO / 'tools' / 'gallery.py')


@pytest.mark.slow
def test_the_gallery_is_the_committed_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [GALLERY, '--out', str(tmp_path / 'sheet.jpg')])
    runpy.run_path(GALLERY, run_name='__main__')
    with Image.open(tmp_path / 'sheet.jpg') as new, Image.open(REPO / 'docs/tissue.jpg') as old:
        assert new.size == old.size
        mean = [image.convert('L').resize((20, 40)).tobytes() for image in (new, old)]
    difference = [abs(a - b) for a, b in zip(*mean, strict=True)]
    assert max(difference) < 6, 'docs/tissue.jpg shows other tissue: python tools/gallery.py'
