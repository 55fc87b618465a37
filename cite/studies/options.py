"""Dotted options of a method, merged into its config."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.errors import ConfigError
from cite.experiments.choosing import Candidate
from cite.studies.description import Method, Study

if TYPE_CHECKING:
    from mmengine.config import Config

LOADERS = ('train_dataloader', 'test_dataloader')


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


def run_config(method: Method, seed: int, candidate: Candidate, work_dir: Path) -> Config:
    """The config of a run of a method with a setting; its results go into `work_dir`."""
    cfg = config_with(method.config, {**method.options, **candidate.options}, work_dir, seed)
    cfg.baselines = []  # rows of their own in the study
    return cfg


def with_whole_paths(study: Study) -> Study:
    """A study whose workers need not stand in this folder: configs and data by their whole paths."""
    methods = []
    for method in study.methods:
        if method.baseline is None:
            config = Path(method.config)
            name = str(config.absolute()) if config.is_file() else method.config
            cfg = config_with(name, method.options, Path(), 0)
            options = {**method.options, 'data_root': _whole(cfg.get('data_root') or '')}
            for loader in LOADERS:
                own = (cfg.get(loader) or {}).get('dataset', {}).get('data_root')
                if own:
                    options[f'{loader}.dataset.data_root'] = _whole(own)
            method = replace(method, config=name, options=options)
        methods.append(method)
    return replace(study, methods=tuple(methods))


def _whole(folder: str) -> str:
    return str(Path(folder).expanduser().absolute())


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
