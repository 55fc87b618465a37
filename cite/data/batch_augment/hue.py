"""A shift of hue in hexagonal HSV, without going there and back.

With V the largest and m the smallest channel of a pixel and C = V - m, hue h (0 to 6, red at 0, green at 2,
blue at 4) gives each channel back as m + C·w(d), d being the distance of h on the circle from the hue
opposite the channel's own, and w(d) = d - 1, held within 0 to 1. |h - 3| is 2 + (R - G - B + m) / C, and
the sign of h - 3 that of B - G: no case has to be told from another. Angles are 16-bit numbers, 65,536 to
the circle, so that adding them wraps by itself; they are odd: none is -32,768, whose size has no place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SIXTH = 10922
"""A sixth of the circle."""
_OPPOSITE = (0, -2 * _SIXTH, 2 * _SIXTH)
"""What takes angles from cyan, opposite of red, to angles from the hues opposite of red, green and blue."""


SIXTH = float(_SIXTH)


class Shifted(NamedTuple):
    """A shifted picture: `least` + `span` · (`sixths` / SIXTH - 1).

    sixths (B, 3, P), span and least (B, 1, P), float32.
    """

    sixths: Tensor
    span: Tensor
    least: Tensor


def angles(hue: NDArray[np.float32]) -> Tensor:
    """Shifts (B,) as shares of the circle → (B, 3, 1), what is added to angles from cyan, per channel."""
    turned = np.rint(hue[:, None] * 2.0**16).astype(np.int64) + np.array(_OPPOSITE)
    return torch.from_numpy((turned & ~1).astype(np.int16)[..., None])


def shift_hue(pixels: Tensor, shift: Tensor) -> Shifted:
    """uint8 (B, 3, P) with another hue.

    Args:
        shift: Of `angles`.
    """
    red, green, blue = pixels.split(1, 1)
    least = torch.minimum(torch.minimum(red, green), blue).short()
    most = torch.maximum(torch.maximum(red, green), blue).short()
    red, green, blue = pixels.short().split(1, 1)
    from_cyan = (red - green).sub_(blue).add_(least).float()
    span = most.sub_(least).float()
    turn = from_cyan.div_(span.clamp(min=1)).add_(2).mul_(SIXTH).short()
    turn.bitwise_xor_(blue.sub_(green).bitwise_right_shift_(15)).bitwise_or_(1)
    sixths = (turn + shift).abs_().clamp_(_SIXTH, 2 * _SIXTH).float()
    return Shifted(sixths, span, least.float())
