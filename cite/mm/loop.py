"""Training by iterations, resumed without decoding the past again."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.loops import BaseLoop

from cite.errors import ConfigError
from cite.mm.dataset import PatchBatchSampler, PatchDataset
from cite.mm.prefix import keep_evaluation, keep_training


@LOOPS.register_module()
class CiteTrainLoop(IterBasedTrainLoop):
    """mmengine's iteration loop over a sampler, or a stream, that can start anywhere.

    A batch and its augmentation are functions of (seed, iteration), so a resumed run tells the sampler
    where to start. mmengine's own loop draws, and so decodes, every past batch once more, and starts
    its workers before it knows whether the run resumes.

    Args:
        runner, dataloader: Given by the runner.
        max_iters: Length of the training.
        val_begin, val_interval: First iteration and period of validation, where there is any.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
    ) -> None:
        BaseLoop.__init__(self, runner, dataloader)  # the parent's starts the workers
        if max_iters < 1 or val_interval < 1:
            raise ConfigError(
                f'max_iters and val_interval must be at least 1, found {max_iters}, {val_interval}'
            )
        self._max_iters = int(max_iters)
        if isinstance(self.dataloader.batch_sampler, PatchBatchSampler):
            self._start = self.dataloader.batch_sampler.set_start
            self.dataloader.batch_sampler.num_iters = self._max_iters  # fetch ahead, no further
        elif hasattr(self.dataloader.dataset, 'set_start'):
            self._start = self.dataloader.dataset.set_start
        else:
            raise ConfigError(
                "train_dataloader.sampler must be 'PatchSampler' or, for pairs, 'PairSampler', found "
                f'{type(self.dataloader.sampler).__name__}'
            )
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False  # set by EarlyStoppingHook
        self.runner.visualizer.dataset_meta = self.dataloader.dataset.metainfo

    def run(self) -> Any:
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self._start(self._iter)
        with torch.random.fork_rng(devices=[]):  # starting workers draws a number
            batches = iter(self._loader())
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(batches))
            due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
            if self.runner.val_loop is not None and self._iter >= self.val_begin and due:
                with torch.random.fork_rng(devices=[]):
                    self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _loader(self) -> Any:
        """Of the patches, or of what frozen stages made of them."""
        runner = self.runner
        if not isinstance(self.dataloader.dataset, PatchDataset):
            return self.dataloader
        if runner.val_loop is not None:
            runner.val_loop.dataloader = keep_evaluation(
                runner, runner.val_loop.dataloader, 'val_dataloader'
            )
        return keep_training(runner, self.dataloader, self._iter, self._max_iters)
