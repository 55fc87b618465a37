"""One vector per text out of a vector per token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cite.encoders.text.tower import Pool, Tokens


def _pooler(output: Any, tokens: Tokens) -> Tensor:
    """The model's own trained layer on CLS."""
    pooled: Tensor = output.pooler_output
    return pooled


_pooler.uses_pooler = True  # type: ignore[attr-defined]


def _cls(output: Any, tokens: Tokens) -> Tensor:
    first: Tensor = output.last_hidden_state[:, 0]
    return first


def _mean(output: Any, tokens: Tokens) -> Tensor:
    hidden = output.last_hidden_state
    if hidden.dtype != torch.float64:
        hidden = hidden.float()  # sums of many halves lose digits
    weight = tokens['attention_mask'].unsqueeze(-1).to(hidden)
    mean: Tensor = (hidden * weight).sum(1) / weight.sum(1)
    return mean


def _last(output: Any, tokens: Tokens) -> Tensor:
    """The last token of the text itself, on whichever side it is padded; all a decoder has seen."""
    mask = tokens['attention_mask']
    position = torch.arange(mask.shape[1], device=mask.device)
    last = (mask.bool() * position).argmax(1)
    hidden: Tensor = output.last_hidden_state[torch.arange(len(mask), device=mask.device), last]
    return hidden


POOLINGS: dict[str, Pool] = {'pooler_output': _pooler, 'cls': _cls, 'mean': _mean, 'last': _last}
"""'pooler_output', 'cls': of BERT and its kin; 'mean': over the text's own tokens; 'last': its last one."""


def as_it_is(output: Any, tokens: Tokens) -> Tensor:
    """For models that pool by themselves."""
    pooled: Tensor = output
    return pooled
