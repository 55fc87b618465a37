"""What the families share: ordered renaming of keys, joining of split projections, the head."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

Renames = Sequence[tuple[str, str]]


def rename(state: Mapping[str, Tensor], renames: Renames) -> dict[str, Tensor]:
    """Apply every regular expression to every key, in order."""
    patterns = [(re.compile(pattern), new) for pattern, new in renames]
    renamed = {}
    for key, value in state.items():
        for pattern, new in patterns:
            key = pattern.sub(new, key)
        renamed[key] = value
    return renamed


def drop(state: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    """Leave out the keys that start with any of the prefixes."""
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def join(state: Mapping[str, Tensor], parts: Sequence[str], whole: str) -> dict[str, Tensor]:
    """Stack linear layers that a library keeps apart, e.g. query, key and value into one.

    Layers with a part missing stay as they are, for the strict loader to name.
    """
    joined = dict(state)
    for key in state:
        match = re.fullmatch(rf'(.*\.){re.escape(parts[0])}\.(weight|bias)', key)
        if match is None:
            continue
        names = [f'{match[1]}{part}.{match[2]}' for part in parts]
        if all(name in state for name in names):
            joined[f'{match[1]}{whole}.{match[2]}'] = torch.cat(
                [joined.pop(name) for name in names]
            )
    return joined


def has_head(model: VisionTransformer) -> bool:
    """Whether the model ends in a linear layer (CLIP's projection)."""
    return isinstance(getattr(model, 'head', None), nn.Linear)  # other kinds of models have none


def start_pooled_norm(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """For models that pool patch tokens by a mean: their norm behind the mean, as MAE starts it.

    The file of a pretraining holds the norm of all tokens (`norm`), which such a model has not, and no
    norm of the mean (`fc_norm`): fine-tuning begins with weight 1 and bias 0. Where the file has one, or
    has no norm at all, nothing is added. `norm` stays, for the model's card to leave aside.
    """
    fresh = {
        f'fc_norm.{name}': torch.full_like(state[f'norm.{name}'], value)
        for name, value in (('weight', 1.0), ('bias', 0.0))
        if f'norm.{name}' in state
    }
    expected = model.state_dict().keys()
    wanted = not any(key.startswith('fc_norm.') for key in state) and 'norm.weight' not in expected
    return {**state, **{k: v for k, v in fresh.items() if wanted and k in expected}}
