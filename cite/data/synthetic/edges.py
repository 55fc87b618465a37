"""Where the tissue ends and bare glass begins."""

from __future__ import annotations

import numpy as np

from cite.data.synthetic.noise import Field, smooth_noise, smoothstep


def straight_edge(rng: np.random.Generator, bare: float, size: int) -> Field:
    """1 in the tissue, 0 on the bare glass that takes `bare` of the patch at one side."""
    slope = np.linspace(-1, 1, size, dtype=np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    away = np.float32(np.cos(turn)) * slope[None, :] + np.float32(np.sin(turn)) * slope[:, None]
    away = away + 0.12 * smooth_noise(rng, size, 60) + 0.02 * smooth_noise(rng, size, 12)
    border = float(np.quantile(away[::4, ::4], 1 - bare))
    return 1 - smoothstep(away, border, border + 3 / size)


def section_outline(rng: np.random.Generator, size: int) -> Field:
    """1 in a piece of tissue that lies in the middle of a field of (size, size), 0 round it."""
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.35)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along = cos * axis[None, :] + sin * axis[:, None]
    across = (cos * axis[:, None] - sin * axis[None, :]) * np.float32(stretch)
    away = np.sqrt(np.sqrt(along**4 + across**4))  # between a disc and a square
    away += np.float32(0.13) * np.tanh(smooth_noise(rng, size, size / 3))
    away += np.float32(0.03) * np.tanh(smooth_noise(rng, size, size / 12))
    away += np.float32(10 / size) * smooth_noise(rng, size, 40)
    # never up to the picture's border
    frame = np.maximum(np.abs(axis)[None, :], np.abs(axis)[:, None])
    np.maximum(away, (frame - np.float32(0.96)) * 10 + np.float32(0.68), out=away)
    return 1 - smoothstep(away, 0.68, 0.68 + 3 / size)
