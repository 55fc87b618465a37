"""Brightness, contrast, saturation and hue on batches, with factors of their own for each patch.

Brightness, contrast and saturation are linear in a pixel, its grey and the picture's mean grey, and change
places with each other, so they are taken in one step; only a shift of hue has to know which of them go in
front of it. Unlike the same steps one after the other this rounds once, and clips once: what a step would
have clipped (glass made brighter, then darker again) comes out unclipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cite.data.batch_augment.hue import SIXTH, angles, shift_hue
from cite.data.batch_augment.tiles import by_tiles, channel_means, put

Range = tuple[float, float] | Sequence[float]
Numbers = NDArray[np.float32]

_GREY = (0.2989, 0.587, 0.114)
SAMPLED = 7
"""Of so many pixels one is looked at for the mean grey behind a shift of hue."""
_LITTLE = 1e-3
"""Grey levels; keeps what is whole but for rounding errors from being cut to the level below."""


@dataclass(frozen=True)
class ColourChange:
    """Factors (B,) per patch, 1 for no change; hue (B,) as a share of the circle, 0 for none.

    `saturation_first` and `contrast_first` (B,): whether these go in front of the shift of hue. None in
    place of all factors of a kind: nobody has any.
    """

    brightness: Numbers | None = None
    contrast: Numbers | None = None
    saturation: Numbers | None = None
    hue: Numbers | None = None
    saturation_first: NDArray[np.bool_] | None = None
    contrast_first: NDArray[np.bool_] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) → likewise."""
        device = images.device
        ones = np.ones(len(images), np.float32)
        kinds = (self.brightness, self.contrast, self.saturation)
        brightness, contrast, saturation = (ones if kind is None else kind for kind in kinds)
        share = brightness * contrast * (1 - saturation)
        before = (
            share
            if self.hue is None or self.saturation_first is None
            else share * self.saturation_first
        )
        factors = (brightness * contrast * saturation, before, share - before)
        scales, befores, afters = (
            torch.from_numpy(factor[:, None, None]).to(device) for factor in factors
        )
        offsets = torch.full((len(images), 1, 1), _LITTLE, device=device)
        if self.contrast is not None:
            away = torch.from_numpy(brightness * (1 - contrast)).to(device)
            offsets += (away * self._mean_grey(images))[:, None, None]
        shifts = None if self.hue is None else angles(self.hue).to(device)

        def change(of: slice, pixels: Tensor, into: Tensor) -> None:
            scale, base = scales[of], offsets[of]
            values = pixels.float() if shifts is None or factors[1][of].any() else None
            if values is not None and factors[1][of].any():
                base = _grey(values).mul_(befores[of]).add_(base)
            if shifts is None:
                assert values is not None
                put(values.mul_(scale).add_(base), into)
                return
            sixths, span, least = shift_hue(pixels, shifts[of])
            if factors[2][of].any():
                base = _shifted_grey(sixths, span, least).mul_(afters[of]).add_(base)
            span *= scale
            base = least.mul_(scale).sub_(span).add_(base)
            put(torch.addcmul(base, sixths, span.div_(SIXTH)), into)

        return by_tiles(images, change)

    def _mean_grey(self, images: Tensor) -> Tensor:
        """(B,) mean of the greys that contrast goes away from, but for brightness."""
        weights = torch.tensor(_GREY, device=images.device)
        before = channel_means(images) @ weights
        if self.hue is None or self.contrast_first is None:
            return before
        shifts = angles(self.hue).to(images.device)
        after = _shifted_grey(*shift_hue(images.flatten(2)[:, :, ::SAMPLED], shifts)).mean((1, 2))
        if self.saturation is not None and self.saturation_first is not None:
            # where saturation goes in front of the shift, a part of the grey is still that of before
            kept = torch.from_numpy(self.saturation_first * (1 - self.saturation))
            after += kept.to(images.device) * (before - after)
        return torch.where(torch.from_numpy(self.contrast_first).to(images.device), before, after)


def _grey(values: Tensor) -> Tensor:
    """(B, 3, P) → (B, 1, P)."""
    red, green, blue = values.split(1, 1)
    return (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])


def _shifted_grey(sixths: Tensor, span: Tensor, least: Tensor) -> Tensor:
    return _grey(sixths).div_(SIXTH).sub_(1).mul_(span).add_(least)


class ColourDraw:
    """Draws factors per patch, in the ranges of torchvision's `ColorJitter`.

    Args:
        brightness, contrast, saturation: Range of factors; None: unchanged.
        hue: Range of shifts as shares of the circle, within -0.5 to 0.5; None: unchanged.

    The order of the four is drawn as well, as there.
    """

    columns = 5

    def __init__(
        self,
        brightness: Range | None = None,
        contrast: Range | None = None,
        saturation: Range | None = None,
        hue: Range | None = None,
    ) -> None:
        self.ranges = (brightness, contrast, saturation, hue)

    def __call__(self, draws: NDArray[np.float64]) -> ColourChange:
        brightness, contrast, saturation, hue = (
            None if span is None else (span[0] + (span[1] - span[0]) * own).astype(np.float32)
            for span, own in zip(self.ranges, draws.T[:4], strict=True)
        )
        # six orders of saturation, contrast and hue: in two both go in front of hue, in one each only one
        order = (6 * draws[:, 4]).astype(np.int64)
        first = np.isin(order, (0, 1, 2)), np.isin(order, (0, 1, 3))
        return ColourChange(brightness, contrast, saturation, hue, *first)
