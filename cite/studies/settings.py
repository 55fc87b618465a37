"""The settings that a method may choose among: the preset first, as many for each method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.experiments.choosing import Candidate
from cite.experiments.choosing.candidates import (
    HEAD_OPTIONS,
    LEARNING_RATES,
    WEIGHT_DECAY,
    candidates_around,
    option_candidates,
)
from cite.studies.description import Method
from cite.studies.options import config_with

if TYPE_CHECKING:
    from mmengine.config import Config

RATE, DECAY = 'optim_wrapper.optimizer.lr', 'optim_wrapper.optimizer.weight_decay'
GROUPS = 'optim_wrapper.paramwise_cfg'


def settings_of(
    method: Method, cfg: Config, groups: Mapping[str, int], budget: int
) -> list[Candidate]:
    """Candidates whose options are dotted keys of the config.

    What the method names itself (`choose`) comes first; then the options of heads that do not train; then
    learning rate and weight decay, around the preset. The preset is the config's own, but for a grid under
    AdamW, whose tunings share one config: there it goes by what trains (`LEARNING_RATES`), with the rate of
    heads for neck and head.

    Args:
        method: Of the study.
        cfg: Its config.
        groups: What trains, see `groups_of`.
        budget: How many settings at the most.
    """
    if method.choose:
        return option_candidates(method.choose, budget)
    options = HEAD_OPTIONS.get(cfg.model.head.get('type'))
    if options is not None and not groups:
        return option_candidates({f'model.head.{key}': v for key, v in options.items()}, budget)
    if not groups or not cfg.get('optim_wrapper'):
        return [Candidate()]
    optimizer = cfg.optim_wrapper.optimizer
    rate, decay = optimizer.lr, optimizer.get('weight_decay', 0.0)
    shared: dict[str, Any] = {}
    own = {RATE, RATE.rpartition('.')[0]} & set(method.options)
    if method.factors and not own and optimizer.type == 'AdamW':
        tuned = [group for group in LEARNING_RATES if group in groups and group != 'head']
        rate = min(LEARNING_RATES[group] for group in tuned or ['head'])
        decay = decay if DECAY in method.options else WEIGHT_DECAY
        others = [group for group in ('neck', 'head') if group in groups] if tuned else []
        if others and not any(key.startswith(GROUPS) for key in method.options):
            rates = {group: {'lr': LEARNING_RATES['head']} for group in others}
            shared[GROUPS] = {'groups': rates}
    return [
        Candidate(each.lr, each.weight_decay, {**shared, RATE: each.lr, DECAY: each.weight_decay})
        for each in candidates_around(rate, decay, budget)
    ]


def groups_of(method: Method) -> dict[str, int]:
    """What of a method trains, see `cite.mm.trained_groups`."""
    return _groups(method.config, json.dumps(method.options, default=str))


@lru_cache(maxsize=64)
def _groups(config: str, options: str) -> dict[str, int]:
    from cite.mm.trained_groups import trained_groups

    return trained_groups(config_with(config, json.loads(options), Path(), 0))


def describe(options: Mapping[str, Any]) -> str:
    """A setting in words: 'lr 0.003, weight_decay 0.1'."""
    shown: Sequence[tuple[str, Any]] = [
        (key.rpartition('.')[2], value) for key, value in options.items() if key != GROUPS
    ]
    return ', '.join(f'{name} {value}' for name, value in shown) or 'preset'
