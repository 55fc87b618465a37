"""Dotted options of a method, merged into its config."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config


def config_with(config: str, options: Mapping[str, Any], folder: Path, seed: int) -> Config:
    """A config file with options merged into it.

    Args:
        config: File or name.
        options: Dotted keys → values. Unlike `--cfg-options`, a value that is a dict takes the place of
            what was there, so that a tuning or head of another type brings no options of the former.
        folder: Run folder.
        seed: Of the run.

    Raises:
        ConfigError: No such config, or an option that does not fit.
    """
    from cite.mm.launch import refuse_misspelt

    cfg = deepcopy(_read(config))  # the same file for many runs: executed once
    refuse_misspelt(options, cfg)
    # what holds others comes before them, in whatever order they were given
    for key, value in sorted(options.items(), key=lambda option: option[0].count('.')):
        part, dot, _ = key.partition('.')
        if dot and part in cfg and cfg[part] is None:
            continue  # options of training are for the methods of a study that train
        if isinstance(value, Mapping):
            _replace(cfg, key, value)
        else:
            try:
                cfg.merge_from_dict({key: value})
            except (TypeError, KeyError, IndexError, AttributeError) as error:
                raise ConfigError(
                    f'option {key}={value!r} does not fit config {config}: {error}'
                ) from error
    cfg.work_dir = str(folder)
    cfg.setdefault('randomness', {})
    cfg.randomness['seed'] = seed
    return cfg


@lru_cache(maxsize=64)
def _read(config: str) -> Config:
    from cite.mm.launch import load_config

    return load_config(config)


def _replace(cfg: Config, key: str, value: Mapping[str, Any]) -> None:
    *path, last = key.split('.')
    place: Any = cfg
    for step in path:
        inner = place.get(step)
        if inner is None:
            place[step] = {}
            inner = place[step]
        if not isinstance(inner, Mapping):
            raise ConfigError(f'option {key}: {step} is {inner!r} in the config and has no parts')
        place = inner
    place[last] = deepcopy(dict(value))
