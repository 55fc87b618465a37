"""Frozen matrices in the format that autocast would cast them to in every forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
"""Layers whose weight and bias autocast casts, and does nothing else with. Classes derived from them may do
other things with a weight, such as standardise it, before it is cast."""


def hold(trunk: nn.Module, dtype: torch.dtype) -> None:
    """Casts weights and biases that do not train of linear layers and convolutions, in place.

    Under autocast to that format results are the same, bit by bit. What trains, norms, embeddings and what
    is used besides its layer stay as they are.
    """
    for weight in _castable(trunk):
        weight.data = weight.data.to(dtype)


def _castable(trunk: nn.Module) -> Iterator[nn.Parameter]:
    kept = {id(layer) for module in trunk.modules() for layer in _read_otherwise(module)}
    layers = [m for m in trunk.modules() if type(m) in LAYERS and id(m) not in kept]
    holders = Counter(id(p) for m in trunk.modules() for p in m.parameters(recurse=False))
    for layer in layers:
        for weight in layer.parameters(recurse=False):
            # an embedding may hold it too, and would give what is added up in float32
            if not weight.requires_grad and holders[id(weight)] == 1:
                yield weight


def _read_otherwise(module: nn.Module) -> list[nn.Module]:
    """Layers below a module whose weights it computes with itself, in float32."""
    if not hasattr(module, 'get_base_layer') or _only_calls(module):
        return []
    base: nn.Module = module.get_base_layer()  # type: ignore[operator]
    return [base]


def _only_calls(wrapper: nn.Module) -> bool:
    """Whether a layer of PEFT calls the layer that it is put around, and adds to what that gives.

    The others rotate its weight or take its norms.
    """
    from peft.tuners.ia3.layer import IA3Layer
    from peft.tuners.lora.layer import LoraLayer

    if isinstance(wrapper, LoraLayer):
        return not any(wrapper.use_dora.values())
    return isinstance(wrapper, IA3Layer)
