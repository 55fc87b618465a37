"""Curves of a study's runs in TensorBoard, Weights & Biases, MLflow or Comet; off unless asked for."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cite.errors import ConfigError

PACKAGES = {'tensorboard': 'tensorboard', 'wandb': 'wandb', 'mlflow': 'mlflow', 'comet': 'comet_ml'}
"""Kind of tracking → the module it needs. The pip extra is called as the kind is."""

BACKENDS = 'cite.mm.tracking_backends'
"""mmengine finds classes by where they are, so that nothing has to be imported for them."""

WANDB: dict[str, Any] = {
    'save_code': False,
    'settings': {
        'disable_code': True,
        'disable_git': True,
        'console': 'off',  # what is printed names folders
        'x_disable_meta': True,  # command line, folders, host, user
    },
}
"""Of `wandb.init`: nothing but what is sent on purpose."""

WANDB_STEPS: list[dict[str, Any]] = [
    {'name': 'step', 'hidden': True},
    {'name': '*', 'step_metric': 'step'},
]

COMET: dict[str, Any] = {
    **dict.fromkeys(('log_code', 'log_graph', 'log_git_metadata', 'log_git_patch'), False),
    **dict.fromkeys(('log_env_details', 'parse_args', 'auto_output_logging'), False),
    **dict.fromkeys(('auto_param_logging', 'auto_metric_logging'), False),
}
"""Of `comet_ml.Experiment`, likewise."""


def tracking_options(
    kind: str, study: str, run: str, folder: str | Path, offline: bool = False
) -> dict[str, Any]:
    """The `visualizer` of a run's config.

    What mmengine writes on its own (`scalars.json`, which reports read) stays, and comes first.

    Args:
        kind: 'tensorboard', 'wandb', 'mlflow' or 'comet'.
        study: Groups runs: the group (project 'cite') of W&B, the experiment of MLflow, the project of
            Comet.
        run: Name of the run in its group.
        folder: Of the study. What stays local lies there: `tensorboard/`, `mlflow.db`, `wandb/`, `comet/`.
        offline: Nothing leaves this machine; `wandb sync` and `comet upload` send it later. MLflow is
            local unless `MLFLOW_TRACKING_URI` names a server, and then offline ignores that.

    Returns:
        A new dict, as mmengine fills in what belongs to one run.

    Raises:
        ConfigError: Another kind, or its package is not installed.
    """
    check_tracking(kind)
    folder = Path(folder).absolute()
    made = {'tensorboard': _tensorboard, 'wandb': _wandb, 'mlflow': _mlflow, 'comet': _comet}
    backend = made[kind](study, run, folder, offline)
    return {'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend'}, backend]}


def check_tracking(kind: str) -> None:
    """Raises `ConfigError` where a kind of tracking does not exist or lacks its package."""
    if kind not in PACKAGES:
        raise ConfigError(f'no tracking {kind!r}; choose one of {", ".join(PACKAGES)}')
    if not _installed(PACKAGES[kind]):
        raise ConfigError(
            f'tracking with {kind} needs the package {PACKAGES[kind]}, which is not installed; '
            f"pip install 'cite-pathology[{kind}]'"
        )


def _installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    return find_spec(module) is not None


def _tensorboard(study: str, run: str, folder: Path, offline: bool) -> dict[str, Any]:
    return {'type': 'TensorboardVisBackend', 'save_dir': str(folder / 'tensorboard' / run)}


def _wandb(study: str, run: str, folder: Path, offline: bool) -> dict[str, Any]:
    settings = {**WANDB, 'settings': dict(WANDB['settings'])}
    names = {'project': 'cite', 'group': study, 'name': run, 'dir': str(folder)}
    mode = {'mode': 'offline'} if offline else {}  # else as WANDB_MODE says
    return {
        'type': f'{BACKENDS}.WandbCurves',
        'init_kwargs': {**names, **mode, **settings},
        'define_metric_cfg': [dict(metric) for metric in WANDB_STEPS],
    }


def _mlflow(study: str, run: str, folder: Path, offline: bool) -> dict[str, Any]:
    from cite.mm.tracking_backends import sqlite

    return {
        'type': f'{BACKENDS}.MLflowCurves',
        'exp_name': study,
        'run_name': run,
        'folder': str(folder),
        **({'tracking_uri': sqlite(folder)} if offline else {}),
    }


def _comet(study: str, run: str, folder: Path, offline: bool) -> dict[str, Any]:
    where = {'offline_directory': str(folder / 'comet')} if offline else {}
    return {
        'type': f'{BACKENDS}.CometCurves',
        'init_kwargs': {'project_name': study, **where, **COMET},
        'run_name': run,
        'tags': [study],
    }
