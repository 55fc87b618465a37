"""Config file and flags → a run. What `cite train` and `cite test` do, callable from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS

from cite.errors import ConfigError
from cite.mm.base_runner import BaseRunner
from cite.mm.messages import clear_errors
from cite.mm.resolve import refuse_original
from cite.paths import find_config

OPTIONAL = (
    *('baselines', 'cache', 'custom_hooks', 'load_from', 'mpp', 'optim_wrapper', 'param_scheduler'),
    *('randomness', 'resume', 'select_on_test', 'stain', 'train_cfg', 'train_dataloader'),
    *('shard_tower', 'val_cfg', 'val_dataloader', 'val_evaluator', 'visualizer', 'work_dir'),
)
"""Keys that mean something also where a config does not have them."""


def load_config(
    path: str | Path,
    work_dir: str | None = None,
    options: Mapping[str, Any] | None = None,
    amp: bool = False,
    seed: int | None = None,
) -> Config:
    """Reads a config and merges flags into it.

    Args:
        path: A file, or a name under the configs that come with cite.
        work_dir: Run folder; default: the config's, else `work_dirs/<name of the config>`.
        options: Dotted keys → values, as from `--cfg-options`.
        amp: Mixed precision whatever the config says.
        seed: Of the run.

    Raises:
        ConfigError: No such file, a file that is no config, or an option that is nearly one of its.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file)
        refuse_misspelt(options or {}, cfg)
        if options:
            cfg.merge_from_dict(dict(options))
    except ConfigError:
        raise
    except Exception as error:  # mmengine executes the file: anything can come out of it
        if isinstance(error, ImportError):
            _refuse_original(file)
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f'config {file} cannot be read: {type(error).__name__}: {reason[-1] if reason else ""}'
        ) from error
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / file.stem)
    if amp:
        cfg.model.precision = 'auto'
    if seed is not None:
        cfg.setdefault('randomness', ConfigDict())
        cfg.randomness.seed = seed
    if cfg.get('launcher', 'none') in ('none', 'pytorch'):
        # decided by how this run was started; a written config tells how another one was
        cfg.launcher = 'pytorch' if 'LOCAL_RANK' in os.environ else 'none'
    return cfg


def refuse_misspelt(options: Mapping[str, Any], cfg: Config) -> None:
    """mmengine takes any new key, so `optim_wraper.…` would go by without a word.

    Raises:
        ConfigError: Dotted keys of `options` that are nearly those of the config.
    """
    known = {*cfg, *OPTIONAL}
    for option in options:
        key, dot, rest = option.partition('.')
        near = get_close_matches(key, sorted(known), 1, 0.8) if key not in known else ()
        if near:
            raise ConfigError(
                f'the config has no {key!r} (option {option}); did you mean {near[0]}{dot}{rest}?'
            )


def _refuse_original(file: Path) -> None:
    """A config whose modules cannot be imported may be one of the original code."""
    try:
        cfg = Config.fromfile(file, import_custom_modules=False)
    except Exception:  # the file itself imports what is not there, and tells nothing more
        return
    refuse_original(cfg)


def runner_of(cfg: Config) -> type[BaseRunner]:
    """The class that `runner_type` names.

    Raises:
        ConfigError: It is none of cite's, which would train and save frozen weights too.
    """
    import cite.mm  # noqa: F401  # registers them

    name = cfg.get('runner_type', 'CiteRunner')
    found = RUNNERS.get(name)
    if found is None or not issubclass(found, BaseRunner):
        raise ConfigError(
            f"runner_type must be 'CiteRunner' (classes) or 'ContrastRunner' (pairs), found {name!r}"
        )
    return found


def train(cfg: Config, resume: str | bool = False) -> BaseRunner:
    """Trains; `resume` is True (the last checkpoint of the run folder) or a checkpoint file."""
    cfg.resume = bool(resume)
    if isinstance(resume, str):
        cfg.load_from = resume
    with clear_errors():
        runner: BaseRunner = runner_of(cfg).from_cfg(cfg)
        runner.train()
    return runner


def test(cfg: Config, checkpoint: str | None = None) -> dict[str, float]:
    """Evaluates on the test set; writes results.json and predictions.parquet into the run folder."""
    cfg.load_from = checkpoint
    with clear_errors():
        found: dict[str, float] = runner_of(cfg).from_cfg(cfg).test()
    return found
