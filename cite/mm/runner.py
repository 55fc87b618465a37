"""mmengine's runner with what a frozen tower, a CPU and a killed job need.

Where mmengine does something else, and why it is overridden, is said at each method.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import all_gather_object, barrier, get_rank, is_main_process
from mmengine.hooks import EMAHook
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn

from cite.atomic import replacing, write_text
from cite.encoders.text import TEXT_ENCODERS
from cite.errors import CheckpointError, CiteError, ConfigError, ModelError
from cite.frozen import trainable
from cite.mm.about import about_run, device_name, headlines, settle_sizes, versions
from cite.mm.checkpoint import (
    anchors_of_checkpoint,
    checkpoint_before,
    latest_checkpoint,
    random_state,
    restore_random_state,
)
from cite.mm.messages import install_clear_errors
from cite.mm.metric import PatchSlideMetric
from cite.mm.resolve import resolve
from cite.mm.selection import refuse_selection_on_test
from cite.mm.stain import settle_stain
from cite.mm.stain_record import write_stain

TEST_CONFIG = 'config_test.py'

_RUNS = itertools.count()


@RUNNERS.register_module()
class CiteRunner(Runner):
    """Named by `runner_type = 'CiteRunner'` in a config; used by `mim train` and `cite train` alike."""

    loading: str = ''
    """The checkpoint that is being loaded, for messages."""
    trained_on: dict[str, Any] | None = None
    """The data that the weights of a loaded checkpoint were trained on, where it says so."""
    random_states: list[dict[str, Any]]
    """Of every process, as the last checkpoint that was saved or loaded has them."""

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | dict[str, Any]) -> CiteRunner:
        """Completes the config (`cite.mm.resolve`, `cite.mm.stain`) and builds the runner from it."""
        install_clear_errors()
        if not isinstance(cfg, Config):
            cfg = Config(dict(cfg))
        cfg = resolve(cfg, 'cuda' if torch.cuda.is_available() else 'cpu')
        _check_writable(Path(cfg.work_dir))
        settle_stain(cfg)
        runner: CiteRunner = super().from_cfg(cfg)
        return runner

    @property
    def bare_model(self) -> Any:
        """The classifier, without the distributed wrapper."""
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
        if self.distributed and not torch.cuda.is_available() and not is_model_wrapper(model):
            return MMDistributedDataParallel(module=model, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    # -- model -------------------------------------------------------------------------------------

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        """Rank 0 builds first and fills the anchor cache; the others read it.

        Where the text encoder is not to be had, the anchors of the checkpoint to load serve.
        """
        first = get_rank() == 0
        if not first:
            barrier()
        try:
            built = super().build_model(model)
        except ModelError:
            head = self._stored_head(model)
            if head is None:
                raise
            built = super().build_model({**model, 'head': head})  # type: ignore[dict-item]
        _ = built.backbone.digest  # taken before anything could touch the weights
        if first:
            barrier()
        return built

    def _stored_head(self, model: Any) -> dict[str, Any] | None:
        path = self._checkpoint_path()
        head = model.get('head', {}) if isinstance(model, Mapping) else {}
        if path is None or 'text_encoder' not in head:
            return None
        template = head.get('template', '{}')
        anchors = anchors_of_checkpoint(path, [template.format(t) for t in head.get('texts', ())])
        if anchors is None:
            return None
        wanted = TEXT_ENCODERS.build(head['text_encoder']).settings()['model']
        if Path(wanted).name != Path(anchors.provenance.get('model', '')).name:
            return None  # of another encoder than the config's
        self.logger.warning(f'text encoder {wanted} is not at hand; anchors taken from {path}')
        return {**{k: v for k, v in head.items() if k != 'text_encoder'}, 'anchors': anchors}

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

    def train(self) -> nn.Module:
        if self._train_loop is None:
            raise ConfigError(
                'the config has no training (train_cfg, train_dataloader, optim_wrapper). Evaluate it '
                'as it is: cite test CONFIG'
            )
        refuse_selection_on_test(self.cfg, self.hooks)
        model = super().train()
        self._has_loaded = True  # `test` in the same process takes these weights
        return model

    def test(self) -> dict[str, float]:
        if self._load_from is None and not self._has_loaded and trainable(self.bare_model):
            raise ConfigError(
                'this model has trained weights: give the checkpoint to test (cite test CONFIG '
                'CHECKPOINT)'
            )
        self._test_loop: Any = self.build_test_loop(self._test_loop)
        self.load_or_resume()  # first, so that the record of the run names the checkpoint
        self.write_config(TEST_CONFIG)
        metrics = [m for m in self.test_evaluator.metrics if isinstance(m, PatchSlideMetric)]
        for metric in metrics:
            metric.about = headlines(about_run(self))
        found: dict[str, float] = super().test()
        if is_main_process():
            for metric in metrics:
                self.logger.info('\n' + metric.results_table)
        return found

    def dump_config(self) -> None:
        """Written once the checkpoint has been found to fit, see `write_config`."""

    def write_config(self, name: str) -> None:
        """The completed config, without what belongs to one start of the run only."""
        if not is_main_process():
            return
        settle_sizes(self.cfg, self.bare_model)
        written = copy.deepcopy(self.cfg)
        if written.pop('resume', False) or name == TEST_CONFIG:
            written.pop('load_from', None)
        written.pop('launcher', None)
        write_text(Path(self.work_dir) / name, written.pretty_text)
        write_stain(self.cfg, Path(self.work_dir))

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
        """Checkpoints are always made plain; tests show baselines, and training ends with an adapter."""
        super().register_hooks(default_hooks, custom_hooks)
        if any(isinstance(hook, EMAHook) for hook in self.hooks):
            raise ConfigError(
                'EMAHook copies and saves the whole frozen tower, and is not supported; take it out of '
                'custom_hooks'
            )
        present = {type(hook).__name__ for hook in self.hooks}
        for name in ('CheckpointStateHook', 'BaselineHook', 'AdapterHook'):
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
