"""Config file and flags → a run. What `cite train` and `cite test` do, callable from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from cite.errors import ConfigError
from cite.mm.messages import clear_errors
from cite.mm.resolve import refuse_original
from cite.mm.runner import CiteRunner
from cite.paths import find_config


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
        ConfigError: No such file, or a file that is no config.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file)
        if options:
            cfg.merge_from_dict(dict(options))
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


def _refuse_original(file: Path) -> None:
    """A config whose modules cannot be imported may be one of the original code."""
    refuse_original(Config.fromfile(file, import_custom_modules=False))


def train(cfg: Config, resume: str | bool = False) -> CiteRunner:
    """Trains; `resume` is True (the last checkpoint of the run folder) or a checkpoint file."""
    cfg.resume = bool(resume)
    if isinstance(resume, str):
        cfg.load_from = resume
    with clear_errors():
        runner = CiteRunner.from_cfg(cfg)
        runner.train()
    return runner


def test(cfg: Config, checkpoint: str | None = None) -> dict[str, float]:
    """Evaluates on the test set; writes results.json and predictions.parquet into the run folder."""
    cfg.load_from = checkpoint
    with clear_errors():
        return CiteRunner.from_cfg(cfg).test()
