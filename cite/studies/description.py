"""What a study is: methods × shots × split seeds × training seeds, checked before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cite.atomic import write_json
from cite.baselines import TITLES
from cite.errors import ConfigError, DataError
from cite.evaluation.aggregation import check_aggregation
from cite.experiments.choosing.candidates import BUDGET
from cite.studies.run_key import RunKey, folder_name, shots_order

STUDY = 'study.json'
TRACKING = (None, 'tensorboard', 'wandb', 'wandb-offline', 'mlflow', 'comet', 'comet-offline')


@dataclass(frozen=True)
class Method:
    """One row of a study's tables.

    Attributes:
        name: As tables and curves show it.
        config: A config file or the name of one; '' for a baseline.
        options: Dotted keys → values merged into the config, as `--cfg-options` does.
        choose: Dotted keys → values to choose among, the preset first. Empty: learning rate and weight
            decay around the preset, where something trains.
        baseline: 'colour' or 'majority' for a baseline without a model.
        factors: Factor of the grid ('backbone', 'tuning', …) → this method's level of it.
    """

    name: str
    config: str = ''
    options: Mapping[str, Any] = field(default_factory=dict)
    choose: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    baseline: str | None = None
    factors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choosing:
    """How each method's setting is chosen, by the same rules for all of them.

    Attributes:
        budget: Settings that each may try, 1 to 6; 1 takes the preset everywhere.
        folds: Folds of the training slides at the most; None leaves one slide per class out at a time.
    """

    budget: int = BUDGET
    folds: int | None = None


@dataclass(frozen=True)
class Study:
    """A study, completed.

    Attributes:
        name: Of the study, its title.
        methods: Rows of its tables, in order.
        shots: Training slides per class, '1', '2', … or 'all', ascending.
        split_seeds: One draw of training slides each.
        seeds: One training each, on every draw.
        choosing: How settings are chosen.
        aggregation: How patches make a slide: see `cite.evaluation.aggregation`.
        top_k: Patches of a slide that count under aggregation 'topk'.
        stain_groups: Groups of stain that the report compares; 0 for none.
        tracking: 'tensorboard', 'wandb', 'mlflow' or 'comet' beside the files of each run ('wandb-offline'
            and 'comet-offline' send nothing); None for none.
        data: What identifies pool and evaluation set; filled in when the study is first planned.
    """

    name: str
    methods: tuple[Method, ...]
    shots: tuple[str, ...] = ('1', '2', '4', '8', '16')
    split_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    seeds: tuple[int, ...] = (0,)
    choosing: Choosing = field(default_factory=Choosing)
    aggregation: str = 'mean'
    top_k: int = 10
    stain_groups: int = 3
    tracking: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raises `ConfigError` where the description contradicts itself."""
        if all(method.baseline is not None for method in self.methods):
            raise ConfigError(
                f'study {self.name}: no methods but baselines, whose patches would come from none; give '
                'methods=… or grid=…'
            )
        folders: dict[str, str] = {}
        for method in self.methods:
            other = folders.setdefault(folder_name(method.name).lower(), method.name)
            if other != method.name or [m.name for m in self.methods].count(method.name) > 1:
                raise ConfigError(
                    f'study {self.name}: methods {other!r} and {method.name!r} would share a folder; '
                    'rename one'
                )
            if method.baseline is not None and method.baseline not in TITLES:
                raise ConfigError(
                    f'method {method.name!r}: no baseline {method.baseline!r}; known: {", ".join(TITLES)}'
                )
            if (method.baseline is None) == (not method.config):
                raise ConfigError(f'method {method.name!r}: give it either a config or a baseline')
        for what in ('shots', 'split_seeds', 'seeds'):
            values = getattr(self, what)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f'study {self.name}: {what} must be distinct, found {values}')
        if self.tracking not in TRACKING:
            raise ConfigError(f'tracking must be one of {TRACKING}, found {self.tracking!r}')
        check_aggregation(self.aggregation, self.top_k)
        if not 1 <= self.choosing.budget <= BUDGET:
            raise ConfigError(
                f'choosing.budget must be 1 to {BUDGET}, found {self.choosing.budget}'
            )
        if self.choosing.folds is not None and self.choosing.folds < 2:
            raise ConfigError(f'choosing.folds must be 2 or more, found {self.choosing.folds}')

    def method(self, name: str) -> Method:
        """The method of that name."""
        for method in self.methods:
            if method.name == name:
                return method
        raise ConfigError(
            f'study {self.name} has no method {name!r}; it has {", ".join(m.name for m in self.methods)}'
        )

    def runs(self) -> list[RunKey]:
        """All runs: methods in order, then shots, split seeds, seeds.

        Baselines have no training seed of their own and run once per draw.
        """
        return [
            RunKey(method.name, shots, split_seed, seed)
            for method in self.methods
            for shots in sorted(self.shots, key=shots_order)
            for split_seed in self.split_seeds
            for seed in (self.seeds if method.baseline is None else self.seeds[:1])
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of the description as canonical JSON."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """As `study.json`."""
        write_json(folder / STUDY, {**asdict(self), 'digest': self.digest})

    @classmethod
    def load(cls, folder: Path) -> Study:
        """What `write` wrote.

        Raises:
            DataError: There is no study in that folder, or its file is damaged.
        """
        path = Path(folder) / STUDY
        try:
            found = dict(json.loads(path.read_text(encoding='utf-8')))
            found.pop('digest', None)
            methods = tuple(Method(**method) for method in found.pop('methods'))
            choosing = Choosing(**found.pop('choosing'))
            rest: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in found.items()
            }
            return cls(methods=methods, choosing=choosing, **rest)
        except FileNotFoundError as error:
            raise DataError(f'{path}: no such file; `cite fewshot` writes it') from error
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f'{path}: not a study of cite ({error!r})') from error
