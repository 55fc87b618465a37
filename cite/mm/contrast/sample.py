"""One pair on its way through mmengine."""

from __future__ import annotations

from mmengine.structures import BaseDataElement
from torch import Tensor


class PairSample(BaseDataElement):
    """A caption and, after prediction, the features of both sides.

    Meta: `caption`, `group` (number of the whole caption's text), `drawn` (of what was drawn of it; the
    same where all of it was), `img_path`. Fields after prediction: `image` and
    `text`, each (dim,) of unit length.
    """

    image: Tensor
    text: Tensor
