"""DoRA: LoRA for the direction of a layer's weight vectors, and a trained length of each."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.layer_names import Layer
from cite.tuning.layers import computes_plainly, sizes
from cite.tuning.lora import LoRA


@TUNINGS.register
class DoRA(LoRA):
    """A layer's weight is m · (W + alpha / r · B A) / |W + alpha / r · B A|, norms taken per output.

    The magnitude m starts as |W|, so that an untrained tower computes what it did without, up to
    rounding. Gradients do not pass through the norm (section 4.3 of the paper).

    Args:
        r, alpha, dropout, targets, blocks: See `LoRA`.
    """

    paper = 'DoRA: Liu et al., ICML 2024'
    dropouts = ('lora_dropout', '')  # PEFT asks the layer whether to drop, and its dropout how much
    variant: ClassVar[dict[str, Any]] = {'use_dora': True}

    def takes(self, module: nn.Module) -> bool:
        """It computes with the weight as it is stored: convolutions that standardise theirs are out."""
        return super().takes(module) and (isinstance(module, nn.Linear) or computes_plainly(module))

    def count(self, layer: Layer) -> int:
        """r · (in + out) + out."""
        return super().count(layer) + sizes(layer.module)[1]
