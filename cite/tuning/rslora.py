"""rsLoRA: LoRA with a scale that suits any rank."""

from __future__ import annotations

from typing import Any, ClassVar

from cite.tuning.base import TUNINGS
from cite.tuning.lora import LoRA


@TUNINGS.register
class RsLoRA(LoRA):
    """`LoRA`, whose update is scaled by alpha / √r, so that high ranks learn as fast as low ones.

    Args:
        r, alpha, dropout, targets, blocks: See `LoRA`; alpha is divided by √r.
    """

    paper = 'rsLoRA: Kalajdzievski, arXiv:2312.03732, 2023'
    variant: ClassVar[dict[str, Any]] = {'use_rslora': True}
