"""LoRA (Hu et al., ICLR 2022): a trained product of two thin matrices beside frozen linear layers.

PEFT puts the layers in; it does so in place, so that a tower keeps its own shape and forward pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS, Tuning
from cite.tuning.blocks import block_numbers

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

_CLIP_ATTENTION = ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.out_proj')
_LLAMA_ATTENTION = (*_CLIP_ATTENTION[:3], 'self_attn.o_proj')
_T5_ATTENTION = tuple(f'layer.0.SelfAttention.{name}' for name in 'qkvo')
_BERT_ATTENTION = ('attention.self.query', 'attention.self.key', 'attention.self.value')

FAMILIES: tuple[dict[str, tuple[str, ...]], ...] = (
    {'attn': ('attn.qkv', 'attn.proj'), 'mlp': ('mlp.fc1', 'mlp.fc2')},  # timm
    {  # BERT, RoBERTa, ELECTRA
        'attn': (*_BERT_ATTENTION, 'attention.output.dense'),
        'mlp': ('intermediate.dense', 'output.dense'),
    },
    {'attn': _CLIP_ATTENTION, 'mlp': ('mlp.fc1', 'mlp.fc2')},  # CLIP of Hugging Face
    {'attn': _CLIP_ATTENTION, 'mlp': ('fc1', 'fc2')},  # BioGPT
    {'attn': _LLAMA_ATTENTION, 'mlp': ('mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj')},
    {'attn': _T5_ATTENTION, 'mlp': ('layer.1.DenseReluDense.wi', 'layer.1.DenseReluDense.wo')},
    {  # T5 1.1 and its kin, with a gate
        'attn': _T5_ATTENTION,
        'mlp': tuple(f'layer.1.DenseReluDense.{name}' for name in ('wi_0', 'wi_1', 'wo')),
    },
)
"""What the linear layers of a block are called. A family counts where all of its names are there: half
of the attention would be adapted otherwise, and nobody told."""
TARGETS = ('attn', 'mlp', 'attn+mlp')


@TUNINGS.register
class LoRA(Tuning):
    """Low-rank weights beside linear layers of chosen blocks, in vision and text towers alike.

    A layer computes W x + alpha / r · B A x, with A of shape (r, in) and B of shape (out, r). A is
    drawn (Kaiming uniform), B starts at zero: an untrained tower computes what it did without.

    Args:
        r: Rank of the update.
        alpha: The update is scaled by alpha / r; None stands for 2r.
        dropout: Of what enters A, in training.
        targets: 'attn' (query, key, value and output projections), 'mlp', 'attn+mlp', or endings of
            layer names within a block, such as ['attn.qkv'].
        blocks: 'all', or block numbers in any order; negative ones count from the end.

    Its weights lie in the tower's trunk, and are saved with it; the layers' own are not.
    """

    def __init__(
        self,
        r: int = 8,
        alpha: float | None = 16,
        dropout: float = 0.0,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__()
        if not isinstance(r, int) or r < 1:
            raise ConfigError(f'LoRA: r must be a whole number of at least 1, found {r!r}')
        if alpha is not None and (not isinstance(alpha, int | float) or not alpha > 0):
            raise ConfigError(f'LoRA: alpha must be a number above 0 or None, found {alpha!r}')
        if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
            raise ConfigError(f'LoRA: dropout must be at least 0 and below 1, found {dropout!r}')
        self.r = r
        self.alpha = 2 * r if alpha is None else alpha
        self.dropout = dropout
        self.targets = _checked(targets)
        self.blocks = blocks
        self._blocks: list[int] = []
        self._depth = 0

    def attach(self, tower: VisionTower | TextTower) -> None:
        layers = _linear_layers(tower)
        if not layers:
            raise ConfigError(_nowhere(tower))
        from peft import LoraConfig, inject_adapter_in_model

        inner = _targeted(self.targets, sorted({name for _, name in layers}))
        self._depth = 1 + max(block for block, _ in layers)
        self._blocks = (
            list(range(self._depth))
            if self.blocks == 'all'
            else block_numbers('LoRA: blocks', "'all'", self.blocks, self._depth)
        )
        chosen = [
            re.escape(name)
            for (block, layer), name in layers.items()
            if block in self._blocks and layer in inner
        ]
        if not chosen:
            raise ConfigError(
                f'LoRA: blocks {self._blocks} hold no layer {" or ".join(sorted(inner))}'
            )
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # it only divides it by r
            lora_dropout=self.dropout,
            target_modules='|'.join(chosen),  # a pattern is taken whole, a list by its endings
        )
        inject_adapter_in_model(config, tower.trunk)
        for name, parameter in tower.trunk.named_parameters():
            if (
                '.lora_' in name
            ):  # trained weights are float32, also beside a half-precision model's
                parameter.data = parameter.data.float()

    @property
    def first_stage(self) -> int:
        return min(self._blocks)

    def set_mode(self, trunk: nn.Module, training: bool) -> None:
        super().set_mode(trunk, training)
        for name, module in trunk.named_modules():
            if name.endswith('.lora_dropout'):
                module.train(training)

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        return [
            (name.replace('.base_layer.', '.'), value)
            for name, value in state
            if '.lora_' not in name
        ]

    def extra_repr(self) -> str:
        parts = [f'r={self.r}']
        if self.alpha != 2 * self.r:
            parts.append(f'alpha={self.alpha:g}')
        if self.dropout:
            parts.append(f'dropout={self.dropout:g}')
        parts.append(self.targets if isinstance(self.targets, str) else '+'.join(self.targets))
        everywhere = len(self._blocks) == self._depth
        parts.append(f'{self._depth} blocks' if everywhere else f'blocks={self._blocks}')
        return ', '.join(parts)


def _checked(targets: str | Sequence[str]) -> str | tuple[str, ...]:
    if isinstance(targets, str):
        if targets in TARGETS:
            return targets
    elif isinstance(targets, Sequence) and targets and all(isinstance(t, str) for t in targets):
        return tuple(targets)
    raise ConfigError(
        f'LoRA: targets must be one of {", ".join(TARGETS)}, or a list of layer names, found {targets!r}'
    )


def _linear_layers(tower: VisionTower | TextTower) -> dict[tuple[int, str], str]:
    """(Block, name within the block) → name within the trunk, of all linear layers inside blocks."""
    from cite.encoders.text.tower import TextTower

    named = {name: m for name, m in tower.trunk.named_modules() if isinstance(m, nn.Linear)}
    if isinstance(tower, TextTower):  # the only numbers in the names of text models count blocks
        found = ((re.search(r'(?:^|\.)(\d+)\.', name), name) for name in named)
        return {(int(at[1]), name[at.end() :]): name for at, name in found if at}
    names = {module: name for name, module in named.items()}
    return {
        (number, inner): names[module]
        for number, block in enumerate(tower.blocks)
        for inner, module in block.named_modules()
        if module in names
    }


def _nowhere(tower: VisionTower | TextTower) -> str:
    """Why a tower has no place for LoRA, and what can be done."""
    from cite.encoders.text.tower import TextTower

    if isinstance(tower, TextTower):
        return f'LoRA: {tower.name} has no linear layers in its blocks'
    return (
        f'LoRA: {tower.card.name} is {tower.stages.description}, with no linear layers in its blocks that '
        f'LoRA could join. Tune it with {tower.stages.alternatives}'
    )


def _targeted(targets: str | tuple[str, ...], names: list[str]) -> set[str]:
    """Those of the layers' names that are meant.

    Raises:
        ConfigError: Nothing is meant, or not all that was asked for is there.
    """
    if isinstance(targets, str):
        wanted = _of_family(targets, names)
        if wanted:
            return wanted
        missing = targets
    else:
        ends = {t: {n for n in names if f'.{n}'.endswith(f'.{t}')} for t in targets}
        missing = ', '.join(target for target, found in ends.items() if not found)
        if not missing:
            return set().union(*ends.values())
    fitting = ''.join(f'targets={word!r}, or ' for word in TARGETS if _of_family(word, names))
    raise ConfigError(
        f'LoRA: the blocks of this model have no layers {missing}. Give {fitting}targets as a list of '
        f'endings; linear layers in its blocks: {", ".join(names)}'
    )


def _of_family(targets: str, names: list[str]) -> set[str]:
    """What a word of `TARGETS` means in the family that these names are of; empty where it is none."""
    for family in FAMILIES:
        wanted = {name for kind in targets.split('+') for name in family[kind]}
        if wanted <= set(names):
            return wanted
    return set()
