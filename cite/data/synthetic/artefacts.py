"""What goes wrong between the knife and the scanner; it says nothing about the tumour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cite.data.synthetic.attributes import Artefact
from cite.data.synthetic.noise import Field, smooth_noise, smoothstep

_INKS = ((1.5, 0.45, 1.0), (1.7, 1.05, 0.25), (1.5, 1.5, 1.4))  # density of green, blue, black


@dataclass(frozen=True)
class Spoilt:
    """A section with its artefact: dyes (size, size), extra blur, and what lies on the glass."""

    haematoxylin: Field
    eosin: Field
    defocus: float = 0.0
    over: Field | None = None  # (3, size, size) optical density


def spoil(rng: np.random.Generator, kind: Artefact, haematoxylin: Field, eosin: Field) -> Spoilt:
    """Apply an artefact to a section's dyes."""
    size = eosin.shape[0]
    if kind is Artefact.FOLD:
        return _fold(rng, haematoxylin, eosin, size)
    if kind is Artefact.BLUR:
        return Spoilt(haematoxylin, eosin, defocus=rng.uniform(2.6, 4.2))
    if kind is Artefact.PEN:
        return Spoilt(haematoxylin, eosin, over=_pen(rng, size))
    if kind is Artefact.BUBBLE:
        return _bubble(rng, haematoxylin, eosin, size)
    if kind is Artefact.TEAR:
        gap = _tear(rng, size)
        return Spoilt(haematoxylin * (1 - gap), eosin * (1 - gap))
    if kind is Artefact.KNIFE:
        lines = _knife(rng, size)
        return Spoilt(haematoxylin * lines, eosin * lines)
    return Spoilt(haematoxylin, eosin)


def _line(rng: np.random.Generator, size: int, wobble: float) -> tuple[Field, Field]:
    """Distance from a line through about the middle, and the way along it; pixels."""
    turn = rng.uniform(0, np.pi)
    x, y = (
        np.arange(size, dtype=np.float32) - np.float32(v * size) for v in rng.uniform(0.3, 0.7, 2)
    )
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    across = cos * x[None, :] + sin * y[:, None] + np.float32(wobble) * smooth_noise(rng, size, 110)
    return across, cos * y[:, None] - sin * x[None, :]


def _fold(rng: np.random.Generator, haematoxylin: Field, eosin: Field, size: int) -> Spoilt:
    """Tissue lies on itself in a band: the dyes of two places, and a dark crease."""
    across, _ = _line(rng, size, 14)
    half = np.float32(min(rng.uniform(11, 22), size / 8))
    across = across + np.float32(1.6) * smooth_noise(rng, size, 10)
    band = smoothstep(half - np.abs(across), -1, 2)
    crease = np.exp(-0.5 * ((np.abs(across) - half + 2.0) / 2.2) ** 2)
    shift = tuple(int(v) for v in rng.integers(size // 8, size // 3, 2))

    def doubled(dye: Field) -> Field:
        under = ndimage.gaussian_filter(np.roll(dye, shift, (0, 1)), 1.2)
        return dye * (1 + 0.45 * crease) + band * (0.9 * under + 0.25 * dye)

    return Spoilt(doubled(haematoxylin), doubled(eosin))


def _pen(rng: np.random.Generator, size: int) -> Field:
    """A felt pen's stroke on the cover glass."""
    across, along = _line(rng, size, 8)
    half = size * rng.uniform(0.11, 0.2)
    edge = smoothstep(half - np.abs(across) + 1.5 * smooth_noise(rng, size, 7), -1, 6)
    rim = 0.25 * np.exp(-0.5 * ((np.abs(across) - half + 7) / 5) ** 2)  # ink gathers at the border
    streaks = np.interp(
        across, np.arange(-size, size, 5), rng.normal(0, 0.08, len(range(-size, size, 5)))
    )
    fading = 0.12 * smooth_noise(rng, size, 80) + 0.05 * np.sin(along / size)
    film = edge * np.clip(rng.uniform(0.5, 0.85) + rim + streaks + fading, 0.15, 1.3)
    ink = np.array(_INKS[int(rng.integers(len(_INKS)))], np.float32)
    return (ink[:, None, None] * film).astype(np.float32)


def _bubble(rng: np.random.Generator, haematoxylin: Field, eosin: Field, size: int) -> Spoilt:
    """Air under the cover glass: a dark refracting rim, pale and blurred within."""
    radius = size * rng.uniform(0.28, 0.6)
    x, y = (
        np.arange(size, dtype=np.float32) - np.float32(v * size) for v in rng.uniform(0.2, 0.8, 2)
    )
    away = np.sqrt(x[None, :] ** 2 + y[:, None] ** 2) + 0.02 * radius * smooth_noise(rng, size, 120)
    away = away - np.float32(radius)
    width = max(2.0, 0.018 * size)
    inside = 1 - smoothstep(away, -2, 2)

    def seen(dye: Field) -> Field:
        return dye + inside * (0.8 * ndimage.gaussian_filter(dye, 2.4) - dye)

    rim = 1.0 * np.exp(-0.5 * (away / width) ** 2) + 0.3 * np.exp(
        -0.5 * ((away + 4.5 * width) / (1.6 * width)) ** 2
    )
    glint = 0.35 * np.exp(-0.5 * ((away + 2.2 * width) / (0.6 * width)) ** 2)
    over = np.broadcast_to((rim - glint).astype(np.float32), (3, size, size))
    return Spoilt(seen(haematoxylin), seen(eosin), over=over)


def _tear(rng: np.random.Generator, size: int) -> Field:
    """1 where the tissue has come apart: a cleft that widens and narrows, with ragged borders."""
    across, _ = _line(rng, size, 22)
    half = np.float32(min(rng.uniform(9, 19), size / 9)) * (1 + 0.35 * smooth_noise(rng, size, 90))
    ragged = 2.2 * smooth_noise(rng, size, 14) + 1.1 * smooth_noise(rng, size, 4)
    return smoothstep(np.maximum(half, 5.0) - np.abs(across) + ragged, -0.8, 1.2)


def _knife(rng: np.random.Generator, size: int) -> Field:
    """Factor on the dyes: straight parallel scratches, and bands of uneven thickness."""
    turn = rng.uniform(0, np.pi)
    axis = np.arange(size, dtype=np.float32)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    across = cos * axis[None, :] + sin * axis[:, None]
    places = np.arange(-1.5 * size, 1.5 * size)
    profile = 1 + 0.10 * np.sin(places / rng.uniform(7, 13) + rng.uniform(0, 6))
    count = max(8, round(len(places) / rng.uniform(22, 40)))
    for place in rng.uniform(places[0], places[-1], count):
        depth, width = rng.uniform(0.45, 0.95), rng.uniform(0.7, 2.0)
        profile -= depth * np.exp(-0.5 * ((places - place) / width) ** 2)
        profile += 0.35 * depth * np.exp(-0.5 * ((places - place - 2.6 * width) / width) ** 2)
    return np.interp(across, places, np.maximum(profile, 0.03)).astype(np.float32)
