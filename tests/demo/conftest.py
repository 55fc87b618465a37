"""What the tests of the page share: models, a folder of images, small slides."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from small_adapter import write

from cite.demo import Settings
from cite.demo.models import Models


@pytest.fixture(scope='session')
def demo_files(tmp_path_factory):
    """`adapter/adapter.safetensors`, `images/` (patches of two grades), `slides/` (drawn; one says its
    resolution, one does not, one is empty glass)."""
    from cite.data.synthetic.cases import cases
    from cite.data.synthetic.pyramid import write_pyramid

    root = tmp_path_factory.mktemp('demo')
    (root / 'adapter').mkdir()
    write(root / 'adapter')
    (root / 'images' / 'sub').mkdir(parents=True)
    drawn = cases(3, 'seen', 2)
    for number, case in enumerate([*drawn[:2], *drawn[-2:]]):
        patch = Image.fromarray(case.open().region(300))
        patch.save(root / 'images' / ('sub' if number > 1 else '.') / f'{number}.png')
    (root / 'slides').mkdir()
    picture = drawn[0].open().region(1024)
    write_pyramid(root / 'slides' / 'drawn.tif', picture, 0.75, 'drawn', 85)
    Image.fromarray(picture).save(root / 'slides' / 'silent.tif', tile=(256, 256))
    glass = np.full((600, 600, 3), 244, np.uint8)
    write_pyramid(root / 'slides' / 'glass.tif', glass, 0.75, 'drawn', 85)
    return root


@pytest.fixture(scope='session')
def demo_models(demo_files):
    return Models(Settings(adapters=(demo_files / 'adapter/adapter.safetensors',), device='cpu'))
