"""Which layers of a tower a tuning joins: words and endings → layers of its blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from torch import nn

from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

Names = tuple[str, ...]


def _joined(parent: str, names: str) -> Names:
    return tuple(f'{parent}.{name}' for name in names.split())


_SELF_QKV = _joined('self_attn', 'q_proj k_proj v_proj')
_T5_MLP = 'layer.1.DenseReluDense'

ATTENTION: tuple[tuple[Names, Names], ...] = (
    (('attn.qkv',), ('attn.proj',)),  # timm: ViT, Swin
    (_joined('attn', 'q_proj k_proj v_proj'), ('attn.proj',)),  # timm: EVA
    ((), _joined('dcn', 'input_proj output_proj')),  # InternImage
    (_joined('attention.self', 'query key value'), ('attention.output.dense',)),  # BERT and kin
    (_SELF_QKV, ('self_attn.out_proj',)),  # CLIP of Hugging Face, BioGPT
    (_SELF_QKV, ('self_attn.o_proj',)),  # LLaMA, Gemma, Qwen
    (_joined('layer.0.SelfAttention', 'q k v'), ('layer.0.SelfAttention.o',)),  # T5
    (_joined('attention', 'q_lin k_lin v_lin'), ('attention.out_lin',)),  # DistilBERT
    (_joined('attention.attn', 'q k v'), ('attention.attn.o',)),  # MPNet
    (('attn.Wqkv',), ('attn.Wo',)),  # ModernBERT
)
"""Query, key and value layers of attention, and its other layers, per family of architectures."""
MLP: tuple[Names, ...] = (
    _joined('mlp', 'fc1_g fc1_x fc2'),  # timm: SwiGLU
    _joined('mlp', 'fc1 fc2'),  # timm, CLIP of Hugging Face
    ('intermediate.dense', 'output.dense'),  # BERT and kin, MPNet
    ('fc1', 'fc2'),  # BioGPT
    _joined('mlp', 'gate_proj up_proj down_proj'),  # LLaMA, Gemma, Qwen
    _joined(_T5_MLP, 'wi wo'),  # T5
    _joined(_T5_MLP, 'wi_0 wi_1 wo'),  # T5 1.1 and its kin, with a gate
    _joined('ffn', 'lin1 lin2'),  # DistilBERT
    _joined('mlp', 'Wi Wo'),  # ModernBERT
)
"""Layers of the MLP per family; the last one leads back to the block's width."""
FAMILIES: dict[str, tuple[Names, ...]] = {
    'attn': tuple(qkv + rest for qkv, rest in ATTENTION),
    'mlp': MLP,
    'qkv': tuple(qkv for qkv, _ in ATTENTION if qkv),
}
"""What the linear layers of a block are called. A family counts where all of its names are there: half
of the attention would be adapted otherwise, and nobody told."""
TARGETS = ('attn', 'mlp', 'attn+mlp', 'qkv', 'all-linear', 'conv')
"""What `targets` takes beside endings."""


@dataclass(frozen=True)
class Layer:
    """A layer inside one of a tower's blocks, as it was loaded: what adapters put around it is left out.

    Attributes:
        block: Number of the block.
        inner: Name within the block.
        name: Name within the trunk.
        parent: The module that it is a part of.
    """

    block: int
    inner: str
    name: str
    module: nn.Module
    parent: nn.Module


def loaded_name(name: str) -> str:
    """Name of a module or weight in a trunk with adapters → the name that it was loaded under."""
    return '.'.join(part for part in name.split('.') if part != 'base_layer')


def layers_of(tower: VisionTower | TextTower, wanted: Callable[[nn.Module], bool]) -> list[Layer]:
    """The wanted layers inside the tower's blocks, in the order of the trunk."""
    from cite.encoders.text.tower import TextTower

    if isinstance(tower, TextTower):
        inside = _by_numbers(tower.trunk)
    else:
        inside = _by_blocks(tower.trunk, tower.blocks)
    return [layer for layer in inside if wanted(layer.module)]


def _by_numbers(trunk: nn.Module) -> Iterator[Layer]:
    """The only numbers in the names of text models count blocks."""
    for name, module, parent in _walk(trunk):
        number = re.search(r'(?:^|\.)(\d+)\.', name)
        if number:
            yield Layer(int(number[1]), name[number.end() :], name, module, parent)


def _by_blocks(trunk: nn.Module, blocks: Sequence[nn.Module]) -> Iterator[Layer]:
    names = {module: name for name, module, _ in _walk(trunk)}
    for number, block in enumerate(blocks):
        for inner, module, parent in _walk(block):
            if inner:
                yield Layer(number, inner, names[module], module, parent)


def _walk(
    module: nn.Module, name: str = '', parent: nn.Module | None = None
) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """(Name, module, parent) of all that was loaded, whatever adapters stand around or beside it."""
    while hasattr(module, 'get_base_layer'):  # a layer of peft
        module = module.base_layer  # type: ignore[assignment]
    yield name, module, parent or module
    for child_name, child in module.named_children():
        yield from _walk(child, f'{name}.{child_name}' if name else child_name, module)


def checked_targets(who: str, targets: str | Sequence[str]) -> str | Names:
    """`targets` as an option gives it; a list becomes a tuple.

    Raises:
        ConfigError: Neither one of the words nor a list of endings.
    """
    if isinstance(targets, str):
        if targets in TARGETS:
            return targets
    elif isinstance(targets, Sequence) and targets and all(isinstance(t, str) for t in targets):
        return tuple(targets)
    raise ConfigError(
        f'{who}: targets must be one of {", ".join(TARGETS)}, or a list of layer names, found {targets!r}'
    )


def targeted(who: str, targets: str | Names, layers: Sequence[Layer]) -> set[str]:
    """Names within a block of those layers that are meant.

    Raises:
        ConfigError: Nothing is meant, or not all that was asked for is there.
    """
    names = {layer.inner for layer in layers}
    if isinstance(targets, str):
        wanted = _of_word(targets, layers)
        if wanted:
            return wanted
        missing = targets
    else:
        ends = {t: {n for n in names if f'.{n}'.endswith(f'.{t}')} for t in targets}
        missing = ', '.join(target for target, found in ends.items() if not found)
        if not missing:
            return set(chain(*ends.values()))
    fitting = ''.join(f'targets={word!r}, or ' for word in TARGETS if _of_word(word, layers))
    linear = [isinstance(layer.module, nn.Linear) for layer in layers]
    kind = 'linear layers' if all(linear) else 'layers' if any(linear) else 'convolutions'
    raise ConfigError(
        f'{who}: the blocks of this model have no layers {missing}. Give {fitting}targets as a list of '
        f'endings; {kind} in its blocks: {", ".join(sorted(names))}'
    )


def _of_word(word: str, layers: Sequence[Layer]) -> set[str]:
    """What a word of `TARGETS` means among these layers; empty where it means nothing."""
    linear = {layer.inner for layer in layers if isinstance(layer.module, nn.Linear)}
    if word == 'all-linear':
        return linear
    if word == 'conv':
        return {layer.inner for layer in layers} - linear
    wanted: set[str] = set()
    for kind in word.split('+'):
        found = next((names for names in FAMILIES[kind] if linear.issuperset(names)), None)
        if found is None:
            return set()
        wanted.update(found)
    return wanted
