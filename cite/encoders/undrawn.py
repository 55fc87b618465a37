"""Building an architecture without drawing the weights that are about to be loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

DRAWS = ('normal_', 'uniform_', 'trunc_normal_', 'bernoulli_', 'exponential_', 'erfinv_')
SCALED_DRAWS = (
    'kaiming_normal_',
    'kaiming_uniform_',
    'xavier_normal_',
    'xavier_uniform_',
    'orthogonal_',
)
ARITHMETIC = ('add_', 'sub_', 'mul_', 'div_', 'clamp_')
CONSTANTS = ('constant_', 'fill_', 'zero_', 'zeros_', 'ones_')
FILLS = frozenset((*DRAWS, *SCALED_DRAWS, *ARITHMETIC, *CONSTANTS))
"""What initialisers do to a weight in place: those of `torch.nn.init`, and the steps of timm's."""


class Undrawn(TorchFunctionMode):
    """Inside, `nn.Parameter`s keep whatever is in their memory; a strict loading has to follow.

    Drawing a billion weights takes longer than reading them. Buffers (rotary tables, relative positions,
    masks) are computed as ever, in real memory: of the meta device, they would be lost.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        target = args[0] if args else kwargs.get('tensor')
        if isinstance(target, nn.Parameter) and getattr(func, '__name__', '') in FILLS:
            return target
        return func(*args, **kwargs)
