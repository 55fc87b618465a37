"""Learning rate and weight decay of each trained weight: by its group, its name and its tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from cite.encoders.tuned import TunedTower
from cite.errors import ConfigError

TAKES = ('custom_keys', 'decay_vectors', 'groups')
RATE = ('lr', 'lr_mult')
DECAY = ('weight_decay', 'decay_mult')


class Place(NamedTuple):
    """Of a weight: its group, and by what its tuning multiplies the learning rate."""

    group: str
    lr_factor: float


def places_of(model: nn.Module, names: list[str]) -> dict[str, Place]:
    """Name of a trained weight → its place.

    In a tower the tuning says which group it is: 'prompt', 'peft' or 'tower'. A neck and the projections
    of a pair are 'neck'; all else, a pair's scale and bias among it, is 'head'.
    """
    towers = {n: module for n, module in model.named_modules() if isinstance(module, TunedTower)}

    def place(name: str) -> Place:
        for path, tower in towers.items():
            if name.startswith(f'{path}.'):
                inner = name.removeprefix(f'{path}.')
                return Place(tower.tuning.group_of(inner), tower.tuning.lr_factor(inner))
        neck = any(part == 'neck' or part.endswith('_projection') for part in name.split('.'))
        return Place('neck' if neck else 'head', 1.0)

    return {name: place(name) for name in names}


class ParamRules:
    """What `paramwise_cfg` says; see `TrainableConstructor`.

    Raises:
        ConfigError: An option that it does not take, or a value that is no factor, rate or decay.
    """

    def __init__(self, paramwise_cfg: Mapping[str, Any] | None) -> None:
        given = dict(paramwise_cfg or {})
        if set(given) - set(TAKES):
            raise ConfigError(
                f'paramwise_cfg takes only {", ".join(TAKES)} here, found {sorted(given)}'
            )
        self.custom_keys = _checked('custom_keys', given.get('custom_keys'))
        self.groups = _checked('groups', given.get('groups'))
        self.decay_vectors = bool(given.get('decay_vectors', True))

    def check(self, places: Mapping[str, Place]) -> None:
        """Raise `ConfigError` where a key or a group of it has no weight."""
        unused = [key for key in self.custom_keys if not any(key in name for name in places)]
        if unused:
            raise ConfigError(
                f'paramwise_cfg.custom_keys {unused} fit no trained weight: {", ".join(places)}'
            )
        there = list(dict.fromkeys(place.group for place in places.values()))
        empty = [group for group in self.groups if group not in there]
        if empty:
            raise ConfigError(
                f'paramwise_cfg.groups: no trained weight is in {", ".join(map(repr, empty))}; the groups '
                f'of this model are {", ".join(map(repr, there))}'
            )

    def settle(
        self, name: str, weight: nn.Parameter, place: Place, defaults: Mapping[str, Any]
    ) -> dict[str, float]:
        """What of the optimiser's own settings is different for this weight.

        Args:
            defaults: The optimiser's settings: 'lr', 'weight_decay', ….

        Raises:
            ConfigError: A setting that the optimiser does not have.
        """
        keys = [key for key in self.custom_keys if key in name]
        by_key = self.custom_keys[max(keys, key=len)] if keys else {}
        by_group = self.groups.get(place.group, {})
        rate = _of(RATE, by_key) or _of(RATE, by_group)
        vector = weight.ndim < 2 and not self.decay_vectors and 'weight_decay' in defaults
        undecayed = {'decay_mult': 0.0} if vector else {}
        decay = _of(DECAY, by_key) or undecayed or _of(DECAY, by_group)
        settled = {}
        if rate or place.lr_factor != 1:
            settled['lr'] = _applied(RATE, rate, defaults, name) * place.lr_factor
        if decay:
            settled['weight_decay'] = _applied(DECAY, decay, defaults, name)
        return settled


def _checked(what: str, given: Mapping[str, Mapping[str, float]] | None) -> dict[str, Any]:
    rules = {key: dict(rule) for key, rule in (given or {}).items()}
    for key, rule in rules.items():
        found = f'paramwise_cfg.{what}[{key!r}]'
        unknown = [option for option in rule if option not in RATE + DECAY]
        if unknown or not rule:
            raise ConfigError(f'{found} takes {", ".join(RATE + DECAY)}; found {rule}')
        wrong = {
            option: value
            for option, value in rule.items()
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0
        }
        if wrong:
            raise ConfigError(f'{found} takes numbers of at least 0, found {wrong}')
        for absolute, factor in (RATE, DECAY):
            if absolute in rule and factor in rule:
                raise ConfigError(f'{found} takes {absolute} or {factor}, found both: {rule}')
    return rules


def _of(options: tuple[str, str], rule: Mapping[str, float]) -> dict[str, float]:
    return {option: rule[option] for option in options if option in rule}


def _applied(
    options: tuple[str, str], rule: Mapping[str, float], defaults: Mapping[str, Any], name: str
) -> float:
    """A rule for the rate, or for the decay, and the optimiser's setting → the weight's."""
    setting, factor = options
    if not isinstance(defaults.get(setting), int | float):
        raise ConfigError(
            f'paramwise_cfg or a tuning sets {setting} of {name}, and this optimiser has no {setting}. '
            'Leave it out, or take another optimiser'
        )
    if setting in rule:
        return rule[setting]
    usual: float = defaults[setting]
    return usual * rule.get(factor, 1.0)
