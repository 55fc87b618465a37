"""mmengine's backends of tracking services, which send curves and settings and nothing else.

mmengine's own send more than is asked for: `WandbVisBackend` uploads every Python file below the working
directory with each config, `MLflowVisBackend` logs, configs and JSON files of the run folder; both send the
whole config, with its folders. They also take a run that another left open (because it failed) for theirs.
mmengine 0.10.7 has none for Comet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.visualization.vis_backend import (
    BaseVisBackend,
    MLflowVisBackend,
    WandbVisBackend,
    force_init_env,
)

from cite.errors import ConfigError
from cite.mm.tracked_settings import settings_of


class CurvesOnly(BaseVisBackend):
    """Scalars and settings go out; pictures and model graphs do not.

    A service that cannot be reached when the first run of a process starts is a `ConfigError`. One that
    fails later costs a warning and the rest of a curve, never a run: `scalars.json` has all of it.
    """

    service: ClassVar[str]
    remedy: ClassVar[str]
    _worked: ClassVar[bool] = False
    _lost = False

    def _start(self) -> None:
        """Opens the run."""
        raise NotImplementedError

    def _send_settings(self, settings: dict[str, Any]) -> None:
        raise NotImplementedError

    def _send_scalars(self, scalars: dict[str, float], step: int) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        """Closes the run."""
        raise NotImplementedError

    def _init_env(self) -> None:
        try:
            self._start()
        except Exception as error:  # services raise what they like
            if type(self)._worked:
                raise
            raise ConfigError(
                f'{self.service} could not be started: {_line(error)}. {self.remedy}, or turn tracking '
                'off'
            ) from error
        type(self)._worked = True

    def add_config(self, config: Config, **kwargs: Any) -> None:
        self._attempt(lambda: self._send_settings(settings_of(config)))

    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        self.add_scalars({name: value}, step)

    def add_scalars(
        self,
        scalar_dict: Mapping[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._attempt(lambda: self._send_scalars(_numbers(scalar_dict), int(step)))

    def add_image(self, *args: Any, **kwargs: Any) -> None:
        """Not sent."""

    def add_graph(self, *args: Any, **kwargs: Any) -> None:
        """Not sent."""

    def close(self) -> None:
        if self._env_initialized:
            self._attempt(self._end)

    def _attempt(self, send: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            send()
        except ConfigError:
            raise
        except Exception as error:
            self._lost = True
            MMLogger.get_current_instance().warning(
                f'{self.service} failed ({_line(error)}); this run goes on without it'
            )


class WandbCurves(CurvesOnly, WandbVisBackend):
    """Weights & Biases, see `WandbVisBackend`; curves are drawn over iterations, not over calls."""

    service, remedy = 'Weights & Biases', 'Log in (wandb login), track offline'

    def _start(self) -> None:
        import wandb

        if wandb.run is not None:  # of a run that failed; init would go on with it
            wandb.finish(exit_code=1)
        Path((self._init_kwargs or {}).get('dir') or self._save_dir).mkdir(
            parents=True, exist_ok=True
        )
        WandbVisBackend._init_env(self)

    def _send_settings(self, settings: dict[str, Any]) -> None:
        self.experiment.config.update(settings, allow_val_change=True)

    def _send_scalars(self, scalars: dict[str, float], step: int) -> None:
        WandbVisBackend.add_scalars(self, {**scalars, 'step': step})

    def _end(self) -> None:
        self._wandb.finish()  # mmengine calls `join`, its name in releases long past


class MLflowCurves(CurvesOnly, MLflowVisBackend):
    """MLflow, see `MLflowVisBackend`.

    Args:
        folder: Where `mlflow.db` (SQLite) lies if there is neither a `tracking_uri` nor
            `MLFLOW_TRACKING_URI`. mmengine would take a folder of files, which MLflow 3.13 refuses.
    """

    service, remedy = 'MLflow', 'Look at MLFLOW_TRACKING_URI'
    _tracking_uri: str | None
    _artifact_location: str | None

    def __init__(self, *args: Any, folder: str = 'work_dirs', **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._folder = folder

    def _start(self) -> None:
        import mlflow

        if (
            mlflow.active_run() is not None
        ):  # of a run that failed; tags and metrics would go into it
            mlflow.end_run('FAILED')
        # read here and not into the config, which is written down: it may hold a password
        uri = self._tracking_uri or os.environ.get('MLFLOW_TRACKING_URI') or sqlite(self._folder)
        if uri.startswith('sqlite:///') and self._artifact_location is None:
            folder = Path(uri.removeprefix('sqlite:///')).absolute().parent
            folder.mkdir(parents=True, exist_ok=True)
            self._artifact_location = (folder / 'mlartifacts').as_uri()
        self._tracking_uri = uri
        MLflowVisBackend._init_env(self)

    def _send_settings(self, settings: dict[str, Any]) -> None:
        self.experiment.log_params(settings)

    def _send_scalars(self, scalars: dict[str, float], step: int) -> None:
        MLflowVisBackend.add_scalars(self, scalars, step)

    def _end(self) -> None:
        self._mlflow.end_run()


class CometCurves(CurvesOnly):
    """Comet.

    Args:
        init_kwargs: Of `comet_ml.Experiment`, or `comet_ml.OfflineExperiment` where they have
            `offline_directory`.
        run_name: Of the experiment.
        tags: Of the experiment.
    """

    service, remedy = 'Comet', 'Log in (comet login), track offline'

    def __init__(
        self,
        save_dir: str,
        init_kwargs: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        super().__init__(save_dir)
        self._init_kwargs = dict(init_kwargs or {})
        self._run_name = run_name
        self._tags = list(tags)

    def _start(self) -> None:
        import comet_ml

        kind = comet_ml.Experiment
        if 'offline_directory' in self._init_kwargs:
            Path(self._init_kwargs['offline_directory']).mkdir(parents=True, exist_ok=True)
            kind = comet_ml.OfflineExperiment
        self._comet = kind(**self._init_kwargs)
        if self._run_name:
            self._comet.set_name(self._run_name)
        self._comet.add_tags(self._tags)

    @property
    @force_init_env
    def experiment(self) -> Any:
        """The experiment of comet_ml."""
        return self._comet

    def _send_settings(self, settings: dict[str, Any]) -> None:
        self.experiment.log_parameters(settings)

    def _send_scalars(self, scalars: dict[str, float], step: int) -> None:
        self.experiment.log_metrics(scalars, step=step)

    def _end(self) -> None:
        self._comet.end()


def sqlite(folder: str | Path) -> str:
    """Address of a database `mlflow.db` in a folder."""
    return f'sqlite:///{(Path(folder).absolute() / "mlflow.db").as_posix()}'


def _numbers(scalars: Mapping[str, Any]) -> dict[str, float]:
    """What is a number, tensors of one element included; services refuse the rest."""
    found = {}
    for name, value in scalars.items():
        with suppress(TypeError, ValueError, RuntimeError):
            if not isinstance(value, str):
                found[name] = float(value)
    return found


def _line(error: Exception) -> str:
    return f'{type(error).__name__}: {[*str(error).strip().splitlines(), ""][0]}'[:300]
