"""Results of slides, made up without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cite.slides.result import SlideResult
from cite.slides.tiling import Grid, TileSpec
from cite.slides.tissue import Tissue


def made(
    scores, rows, columns, size=224, mpp=0.5, overlap=0, slide_mpp=None, name='made.svs', **parts
):
    """A slide that is tissue all over, its tiles row by row with these scores, (rows · columns, C)."""
    slide_mpp = slide_mpp or (mpp, mpp)
    spec = TileSpec(size, mpp, overlap)
    side = size * mpp / slide_mpp[0], size * mpp / slide_mpp[1]
    step = [length * (size - overlap) / size for length in side]
    down, across = np.mgrid[:rows, :columns]
    grid = Grid(
        spec,
        np.round(across.ravel() * step[0]).astype(np.int64),
        np.round(down.ravel() * step[1]).astype(np.int64),
        side,
        np.ones(rows * columns, np.float32),
        0,
        (size, size),
    )
    full = (
        round((columns - 1) * step[0] + side[0]),
        round((rows - 1) * step[1] + side[1]),
    )
    shape = max(1, full[1] // 16), max(1, full[0] // 16)
    scores = np.asarray(scores, np.float32)
    return SlideResult(
        **{
            'path': Path(name),
            'classes': tuple('abcdefghijklmnopqrstuvwxyz'[: scores.shape[1]]),
            'grid': grid,
            'rows': np.arange(rows * columns),
            'scores': scores,
            'sharpness': np.ones(rows * columns, np.float32),
            'damaged': {},
            'blurred': np.array([], np.int64),
            'mpp': slide_mpp,
            'size': full,
            'picture': np.full((*shape, 3), 220, np.uint8),
            'tissue': Tissue(
                np.ones(shape, bool),
                (full[0] / shape[1], full[1] / shape[0]),
                15.0,
                np.zeros(shape, bool),
            ),
            **parts,
        }
    )


def shares(count, classes=3, seed=0):
    """(count, classes) random distributions."""
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count).astype(np.float32)
