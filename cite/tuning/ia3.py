"""(IA)³: trained vectors that scale what layers put out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import MLP, Layer
from cite.tuning.layers import sizes

if TYPE_CHECKING:
    from peft import PeftConfig

_BACK = frozenset(names[-1] for names in MLP)


@TUNINGS.register
class IA3(InjectedTuning):
    """A layer computes l ⊙ (W x + bias); the last one of an MLP, W (l ⊙ x) + bias.

    l starts at one: an untrained tower computes what it did without. The paper scales keys, values and
    what the MLP holds behind its activation. Where one layer makes query, key and value (timm), the
    query is scaled too; `targets=['k_proj', 'v_proj', 'fc2']`, or the like, is the paper's choice where
    each has a layer.

    Args:
        targets, blocks: See `InjectedTuning`.
    """

    paper = '(IA)³: Liu et al., NeurIPS 2022'
    marks = ('ia3_',)
    convolutions = True

    def __init__(
        self,
        targets: str | Sequence[str] = 'attn+mlp',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import IA3Config

        back = '|'.join(re.escape(layer.name) for layer in layers if layer.inner in _BACK)
        return IA3Config(target_modules=pattern, feedforward_modules=back or [])

    def count(self, layer: Layer) -> int:
        """out; for the last layer of an MLP, in."""
        inputs, outputs = sizes(layer.module)
        return inputs if layer.inner in _BACK else outputs
