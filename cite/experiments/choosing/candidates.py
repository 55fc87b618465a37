"""What may be chosen for a method: the same number of settings for each, the first of them the preset.

With one slide per class there is nothing to judge by, so the preset is taken as it is. It follows what
trains (`Tuning.group`), not the data:

- `prompt`: few weights in front of many frozen layers, whose gradients are small: VPT (Jia et al., ECCV
  2022) searches SGD rates far above those of other methods. Under AdamW, whose steps do not hang on the
  size of the gradient, 1e-2.
- `peft`: LoRA and its kin start from no change and are usually trained with AdamW at 1e-4 to 1e-3
  (Hu et al., ICLR 2022, appendix D); few steps call for the upper end, 1e-3.
- `tower`: weights that the model came with, moved a little: 1e-4 (BEiT-like fine-tuning of small sets).
- `head`: a linear layer or a projection on frozen features, AdamW at 1e-2.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cite.errors import ConfigError

BUDGET = 6
"""Settings that each method may try, unless it is said otherwise."""
LEARNING_RATES: Mapping[str, float] = {'prompt': 1e-2, 'peft': 1e-3, 'tower': 1e-4, 'head': 1e-2}
WEIGHT_DECAY = 1e-2
HEAD_OPTIONS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    'KNNHead': {'k': (5, 1, 20)},
    'PrototypeHead': {'transform': ('cl2', 'l2', 'none')},
    'TipAdapterHead': {'alpha': (1.0, 3.0), 'beta': (5.5, 1.0, 10.0)},
}
"""Heads that do not train → their options to choose among, the preset first."""
_FACTORS = ((1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (1.0, 10.0), (0.3, 10.0), (3.0, 10.0))
"""Of learning rate and weight decay, in the order in which they are tried."""


@dataclass(frozen=True)
class Candidate:
    """One setting.

    Attributes:
        lr: Learning rate of what the method is about (AdamW).
        weight_decay: Of all that trains.
        options: Options of the method itself, where it has some to choose (`k` of nearest neighbours).
    """

    lr: float = 0.0
    weight_decay: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


def training_candidates(group: str, budget: int = BUDGET) -> list[Candidate]:
    """Settings of a method that trains.

    Args:
        group: 'prompt', 'peft', 'tower' or 'head': what its weights are.
        budget: How many, 1 to 6.

    Raises:
        ConfigError: Another group, or a budget outside of that.
    """
    if group not in LEARNING_RATES:
        raise ConfigError(f'group must be one of {", ".join(LEARNING_RATES)}, found {group!r}')
    return candidates_around(LEARNING_RATES[group], WEIGHT_DECAY, budget)


def candidates_around(lr: float, weight_decay: float, budget: int = BUDGET) -> list[Candidate]:
    """Settings around a preset, which is the first: a third and three times the rate, ten times the decay.

    Args:
        lr: Learning rate of the preset.
        weight_decay: Of the preset; without any, only rates differ, and there are 3 settings at the most.
        budget: How many, 1 to 6.

    Raises:
        ConfigError: A budget outside of that.
    """
    if not 1 <= budget <= len(_FACTORS):
        raise ConfigError(f'budget must be 1 to {len(_FACTORS)} settings, found {budget}')
    pairs = dict.fromkeys(
        (_plain(lr * rate), _plain(weight_decay * decay)) for rate, decay in _FACTORS[:budget]
    )
    return [Candidate(*pair) for pair in pairs]


def _plain(number: float) -> float:
    """0.3 for 3 × 0.1, as people write it in configs and tables."""
    return float(f'{number:.6g}')


def option_candidates(
    options: Mapping[str, Sequence[Any]], budget: int = BUDGET
) -> list[Candidate]:
    """Settings of a method that does not train: combinations of its options, the first value of each first.

    Fewer where there are no more combinations than that.
    """
    combinations = itertools.product(*options.values())
    made = [Candidate(options=dict(zip(options, values, strict=True))) for values in combinations]
    return made[:budget]
