"""mmengine's runner with what frozen towers, a CPU and a killed job need, whatever is trained.

Where mmengine does something else, and why it is overridden, is said at each method.
"""

from __future__ import annotations

import copy
import itertools
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import EMAHook
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from cite.atomic import replacing, write_text
from cite.errors import CheckpointError, CiteError, ConfigError
from cite.mm.about import device_name, versions
from cite.mm.checkpoint import (
    checkpoint_before,
    latest_checkpoint,
    random_state,
    restore_random_state,
)
from cite.mm.messages import install_clear_errors
from cite.mm.sharded import leave_frozen
from cite.mm.store_options import settle_store

TEST_CONFIG = 'config_test.py'

_RUNS = itertools.count()


class BaseRunner(Runner):
    """What `CiteRunner` (classes) and `ContrastRunner` (pairs) share."""

    own_hooks: tuple[str, ...] = ()
    """Hooks that every run gets, after those of the config."""
    shards: bool = False
    """Whether it takes `shard_tower`."""
    loading: str = ''
    """The checkpoint that is being loaded, for messages."""
    trained_on: dict[str, Any] | None = None
    """The data that the weights of a loaded checkpoint were trained on, where it says so."""
    random_states: list[dict[str, Any]]
    """Of every process, as the last checkpoint that was saved or loaded has them."""

    @classmethod
    def complete(cls, cfg: Config, device: str) -> Config:
        """The config with everything filled in that follows from its names; nothing is built yet."""
        raise NotImplementedError

    @classmethod
    def settle(cls, cfg: Config) -> None:
        """Fills in, in place, what takes a look at the data."""

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | dict[str, Any]) -> Any:
        """Completes the config and builds the runner from it."""
        install_clear_errors()
        if not isinstance(cfg, Config):
            cfg = Config(dict(cfg))
        if cfg.get('shard_tower', False) and not cls.shards:
            raise ConfigError(f'shard_tower: {cls.__name__} does not shard towers, take it out')
        cfg = cls.complete(cfg, 'cuda' if torch.cuda.is_available() else 'cpu')
        _check_writable(Path(cfg.work_dir))
        cls.settle(cfg)
        settle_store(cfg)
        return super().from_cfg(cfg)

    @property
    def bare_model(self) -> Any:
        """The model, without the distributed wrapper."""
        return self.model.module if is_model_wrapper(self.model) else self.model

    # -- processes ---------------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """mmengine calls `torch.cuda.set_device` whatever the backend; on CPUs gloo is started here."""
        if self.distributed and not torch.cuda.is_available():
            if self.launcher != 'pytorch':
                raise ConfigError(
                    f'launcher {self.launcher!r} without GPUs is not supported; use torchrun or '
                    'mim train -l pytorch, which run on CPUs through gloo'
                )
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group('gloo')
        super().setup_env(env_cfg)
        # mmengine's logs and message hubs go by the second: two runs of one would share theirs
        number = next(_RUNS)
        if number:
            self._timestamp += f'_{number}'

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """mmengine names a GPU to its wrapper, which a model on the CPU refuses."""
        if self.distributed and not is_model_wrapper(model):
            leave_frozen(model)
        if self.distributed and not torch.cuda.is_available() and not is_model_wrapper(model):
            return MMDistributedDataParallel(module=model, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    # -- checkpoints -------------------------------------------------------------------------------

    def _checkpoint_path(self) -> str | None:
        if self._load_from is not None:
            return str(self._load_from)
        return latest_checkpoint(Path(self.work_dir)) if self._resume else None

    def load_or_resume(self) -> None:
        """mmengine trusts a one-line file that a killed job may have left empty."""
        if not self._has_loaded and self._resume and self._load_from is None:
            path = latest_checkpoint(Path(self.work_dir))
            if path is None:
                self.logger.warning(f'nothing to resume in {self.work_dir}: starting anew')
                return
            self.resume(path)
        super().load_or_resume()

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Keeps the name for messages; files that are not there or not whole are told as such."""
        self.loading = str(filename)
        try:
            checkpoint: dict[str, Any] = super().load_checkpoint(filename, *args, **kwargs)
        except CiteError:
            raise
        except FileNotFoundError as error:
            raise CheckpointError(f'checkpoint {filename}: no such file') from error
        except Exception as error:  # torch raises pickle, zip and runtime errors on damaged files
            reason = [*str(error).splitlines(), ''][0][:200]
            before = checkpoint_before(Path(filename)) if self._resume else None
            raise CheckpointError(
                f'checkpoint {filename} cannot be read: damaged, or not tensors and plain values '
                f'({type(error).__name__}: {reason})'
                + (f'. The one before it is whole: --resume {before}' if before else '')
            ) from error
        self.random_states = checkpoint.get('random_state', [])
        return checkpoint

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """mmengine stores no random state; here every process gets its own back."""
        seed = self.seed
        super().resume(filename, *args, **kwargs)
        if self.seed != seed:  # mmengine takes the checkpoint's, but the data go by the config's
            raise CheckpointError(
                f'{filename} was trained with seed {self.seed}, the config has {seed}; resume with '
                f'randomness.seed={self.seed}'
            )
        states = self.random_states
        if len(states) == self.world_size:
            restore_random_state(states[self.rank])
        else:
            self.logger.warning(
                f'resumed with {self.world_size} processes, saved with {len(states)}: the random '
                'states start anew'
            )

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """mmengine writes in place; here the old file stays until the new one is whole."""
        self.random_states = all_gather_object(random_state())
        if not is_main_process():
            return
        final = Path(out_dir) / filename
        try:
            with replacing(final) as temporary:
                super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)
                with temporary.open('rb') as file:
                    os.fsync(file.fileno())  # on the disk before the name points to it
        except OSError as error:
            raise CheckpointError(
                f'checkpoint {final} could not be written: {error.strerror or error}. Make room and '
                'continue with --resume; checkpoints written before are whole'
            ) from error

    # -- running -----------------------------------------------------------------------------------

    def dump_config(self) -> None:
        """Written once the checkpoint has been found to fit, see `write_config`."""

    def write_config(self, name: str) -> None:
        """The completed config, without what belongs to one start of the run only."""
        if not is_main_process():
            return
        written = copy.deepcopy(self.cfg)
        if written.pop('resume', False) or name == TEST_CONFIG:
            written.pop('load_from', None)
        written.pop('launcher', None)
        write_text(Path(self.work_dir) / name, written.pretty_text)

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """mmengine prints pages; the config is in the run folder, and what computes fits on a line."""
        found = ', '.join(f'{name} {number}' for name, number in versions().items())
        self.logger.info(
            f'{found}; {self.world_size} x {device_name()}, seed {self.seed}; run folder {self.work_dir}'
        )

    def get_hooks_info(self) -> str:
        """mmengine prints a page; the names, in order of priority, fit on a line."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)

    def register_hooks(self, default_hooks: Any = None, custom_hooks: Any = None) -> None:
        """mmengine's and the config's hooks, and those that no run does without."""
        super().register_hooks(default_hooks, custom_hooks)
        if any(isinstance(hook, EMAHook) for hook in self.hooks):
            raise ConfigError(
                'EMAHook copies and saves the whole frozen tower, and is not supported; take it out of '
                'custom_hooks'
            )
        present = {type(hook).__name__ for hook in self.hooks}
        for name in self.own_hooks:
            if name not in present:
                self.register_hook({'type': name})


def _check_writable(folder: Path) -> None:
    """A run that could not save is refused before it starts."""
    probe = folder / f'.write-test-{os.getpid()}'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f'work_dir {folder} cannot be written: {error.strerror}. Choose another with --work-dir'
        ) from error
