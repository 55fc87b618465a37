"""Coloured squares as patch tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cite.data.table import PatchTable

CLASSES = ('red', 'green', 'blue')


@pytest.fixture
def squares(tmp_path: Path) -> Callable[..., PatchTable]:
    """`squares('train', [4, 2, 0])` → slides of two patches: four red ones, two green ones."""

    def draw(name: str, slides: Sequence[int], classes: Sequence[str] = CLASSES) -> PatchTable:
        rng = np.random.default_rng(len(name))
        rows = []
        for label, count in enumerate(slides):
            for patch in range(2 * count):
                pixels = rng.integers(0, 90, (12, 10, 3))
                pixels[:, :, label] += 120
                file = f'{name}/{label}_{patch}.png'
                (tmp_path / name).mkdir(exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / file)
                rows.append((file, label, f'{name}{label}_{patch // 2}'))
        files, labels, ids = zip(*rows, strict=True)
        return PatchTable(files, labels, ids, tuple(classes), tmp_path, source=name)

    return draw
