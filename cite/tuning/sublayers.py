"""Where the attention and the MLP of a tower's blocks are, in the names of each family of architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from cite.errors import ConfigError
from cite.tuning.blocks import block_numbers
from cite.tuning.own_layers import name_of
from cite.tuning.stage_of import blocks_of

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


class Names(NamedTuple):
    """Of modules within a block: what gives the attention's output, and the MLP's first and last layer."""

    attention: str
    enter_mlp: str
    leave_mlp: str


FAMILIES = (
    Names('attn', 'mlp', 'mlp'),  # timm, CONCH, MUSK, GPT-2, ModernBERT
    Names('dcn', 'mlp', 'mlp'),  # InternImage
    Names('attention.output.dense', 'intermediate.dense', 'output.dense'),  # BERT, RoBERTa, ELECTRA
    Names('self_attn', 'mlp', 'mlp'),  # CLIP of Hugging Face, LLaMA
    Names('self_attn', 'fc1', 'fc2'),  # BioGPT
    Names('attention.out_lin', 'ffn', 'ffn'),  # DistilBERT
    Names('attention.attn.o', 'intermediate.dense', 'output.dense'),  # MPNet
    Names('layer.0.SelfAttention', *('layer.1.DenseReluDense',) * 2),  # T5
)


@dataclass(frozen=True)
class Sublayers:
    """Of one block.

    Attributes:
        block: Its number.
        channels: Length of a token, in and out.
        attention: Its output is added to the tokens, in some models behind a norm or a scale.
        enter_mlp, leave_mlp: First and last layer of the MLP, one and the same where it is one module.
    """

    block: int
    channels: int
    attention: nn.Module
    enter_mlp: nn.Module
    leave_mlp: nn.Module


def sublayers_of(
    tuning: str, tower: VisionTower | TextTower, blocks: str | int | Sequence[int]
) -> list[Sublayers]:
    """Attention and MLP of the chosen blocks.

    Args:
        tuning: Names it in messages.
        blocks: 'all', or block numbers in any order; negative ones count from the end.

    Raises:
        ConfigError: Blocks that are made otherwise, or block numbers outside the tower.
    """
    every = blocks_of(tower)
    family = next((names for names in FAMILIES if every and _has(every, names)), None)
    if family is None:
        raise ConfigError(_nowhere(tuning, tower))
    depth = len(every)
    numbers = (
        list(range(depth))
        if blocks == 'all'
        else block_numbers(f'{tuning}: blocks', "'all'", blocks, depth)
    )
    found = []
    for number in numbers:
        modules = [every[number].get_submodule(name) for name in family]
        found.append(Sublayers(number, _channels(modules[-1]), *modules))
    return found


def _has(blocks: Sequence[nn.Module], names: Names) -> bool:
    known = [{name for name, _ in block.named_modules()} for block in blocks]
    return all(set(names) <= inner for inner in known)


def _channels(module: nn.Module) -> int:
    """What comes out of a layer, or of the last linear layer in it (GPT-2's call it `nf`)."""
    sizes = [
        getattr(layer, 'out_features', getattr(layer, 'nf', None)) for layer in module.modules()
    ]
    return [size for size in sizes if isinstance(size, int)][-1]


def _nowhere(tuning: str, tower: VisionTower | TextTower) -> str:
    """Why a tower has no place for adapters, and what can be done."""
    from cite.encoders.text.tower import TextTower

    if isinstance(tower, TextTower):
        return (
            f'{tuning}: the blocks of {name_of(tower)} are none that it knows (attention and MLP as in '
            "BERT, CLIP, LLaMA, GPT-2 or T5). Tune it by 'LoRA' or 'BitFit'"
        )
    last = "'LastBlocks', " if tower.depth else ''
    return (
        f'{tuning}: {name_of(tower)} is {tower.stages.description}, with no attention and MLP in its '
        f"blocks that adapters could join. Tune it with 'BitFit', 'LayerNormTuning', {last}'SideTuning' or "
        "'FullFineTuning'"
    )
