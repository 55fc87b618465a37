"""The runner of classification: frozen towers, tunings and heads on labelled patches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import barrier, get_rank, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import RUNNERS
from torch import nn

from cite.anchors import class_sentences
from cite.atomic import write_text
from cite.encoders.text import build_text_encoder
from cite.errors import ConfigError, ModelError
from cite.frozen import trainable
from cite.mm.about import about_run, headlines, settle_sizes
from cite.mm.base_runner import TEST_CONFIG, BaseRunner
from cite.mm.checkpoint import anchors_of_checkpoint
from cite.mm.fitting import make_head, refuse_moving_features
from cite.mm.metric import PatchSlideMetric
from cite.mm.prefix import keep_evaluation
from cite.mm.resolve import resolve
from cite.mm.selection import refuse_selection_on_test
from cite.mm.sharded import check_same_tower, shard
from cite.mm.stain import settle_stain
from cite.mm.stain_record import write_stain
from cite.mm.trained_on import other_training_data

MADE = 'iter_0.pth'
"""The checkpoint of a model that is made from features, and trains nothing."""


@RUNNERS.register_module()
class CiteRunner(BaseRunner):
    """Named by `runner_type = 'CiteRunner'` in a config; used by `mim train` and `cite train` alike."""

    model: Any
    _train_loop: Any
    _made = False  # whether a head that is made from features has its final sizes
    own_hooks = ('CheckpointStateHook', 'BaselineHook', 'AdapterHook')
    shards = True

    @classmethod
    def complete(cls, cfg: Config, device: str) -> Config:
        done = resolve(cfg, device)
        refuse_moving_features(done)
        return done

    @classmethod
    def settle(cls, cfg: Config) -> None:
        settle_stain(cfg)

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
        # a sharded block is gathered in one format
        built.prepare(get_device(), hold=not self.cfg.get('shard_tower', False))
        if first:
            barrier()
        if self.distributed:
            check_same_tower(built.backbone)
        if self.cfg.get('shard_tower', False):
            if self.distributed:
                shard(built.backbone)
            else:
                self.logger.info('shard_tower: one process holds the tower in one piece')
        return built

    def _stored_head(self, model: Any) -> dict[str, Any] | None:
        path = self._checkpoint_path()
        head = model.get('head', {}) if isinstance(model, Mapping) else {}
        if path is None or 'text_encoder' not in head or 'texts' not in head:
            return None
        templates = head.get('templates') or head.get('template')
        sentences = class_sentences(head['texts'], templates, head['text_encoder'])
        anchors = anchors_of_checkpoint(path, sentences.for_classes(model['classes']).texts)
        if anchors is None:
            return None
        wanted = build_text_encoder(head['text_encoder']).settings()['model']
        if Path(wanted).name != Path(anchors.provenance.get('model', '')).name:
            return None  # of another encoder than the config's
        self.logger.warning(f'text encoder {wanted} is not at hand; anchors taken from {path}')
        return {**{k: v for k, v in head.items() if k != 'text_encoder'}, 'anchors': anchors}

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Nothing to average is not wrapped; nor is a head that is yet to be made, see `train`."""
        head = getattr(model, 'head', None)
        waits = getattr(head, 'takes_features', False) and not self._made
        if not is_model_wrapper(model) and (waits or not trainable(model)):
            return model.to(get_device())
        return super().wrap_model(model_wrapper_cfg, model)

    # -- running -----------------------------------------------------------------------------------

    def train(self) -> nn.Module:
        if self._train_loop is None:
            raise ConfigError(
                'the config has no training (train_cfg, train_dataloader, optim_wrapper). Evaluate it '
                'as it is: cite test CONFIG'
            )
        refuse_selection_on_test(self.cfg, self.hooks)
        if self.bare_model.head.takes_features:
            make_head(self, self._checkpoint_path())
            self._made = True
            self.model = self.wrap_model(self.cfg.get('model_wrapper_cfg'), self.model)
            if not trainable(self.bare_model):
                return self._without_training()
        model = super().train()
        self._has_loaded = True  # `test` in the same process takes these weights
        return model

    def _without_training(self) -> nn.Module:
        """Writes what a finished run leaves behind, of a model that was made and has nothing to train."""
        self._train_loop = self.build_train_loop(self._train_loop)
        self.call_hook('before_run')
        self.load_or_resume()
        other = other_training_data(self.trained_on, self.cfg)
        if other is not None:  # its features are of those patches, and its record would name these
            raise ConfigError(f'{other}. Make it anew: without --resume, or in another run folder')
        self.call_hook('before_train')
        self.logger.info(
            'nothing in this model trains: it was made, and there is nothing more to do'
        )
        start = {'epoch': 0, 'iter': 0}
        options = {'save_optimizer': False, 'save_param_scheduler': False, 'by_epoch': False}
        self.save_checkpoint(self.work_dir, MADE, meta=start, **options)
        if is_main_process():
            write_text(Path(self.work_dir) / 'last_checkpoint', str(Path(self.work_dir) / MADE))
        self.call_hook('after_train')
        self.call_hook('after_run')
        self._has_loaded = True
        return self.model

    def test(self) -> dict[str, float]:
        model = self.bare_model
        needs = trainable(model) or model.head.takes_features
        if self._load_from is None and not self._has_loaded and needs:
            what = 'has trained weights' if trainable(model) else 'is made from training patches'
            raise ConfigError(
                f'this model {what}: give the checkpoint to test (cite test CONFIG CHECKPOINT)'
            )
        self._test_loop: Any = self.build_test_loop(self._test_loop)
        self.load_or_resume()  # first, so that the record of the run names the checkpoint
        loop = self._test_loop
        loop.dataloader = keep_evaluation(self, loop.dataloader, 'test_dataloader')
        self.write_config(TEST_CONFIG)
        metrics = [m for m in self.test_evaluator.metrics if isinstance(m, PatchSlideMetric)]
        for metric in metrics:
            metric.about = headlines(about_run(self))
        found: dict[str, float] = super().test()
        if is_main_process():
            for metric in metrics:
                self.logger.info('\n' + metric.results_table)
        return found

    def write_config(self, name: str) -> None:
        """With the sizes that were inferred, and the stain that was fitted."""
        if is_main_process():
            settle_sizes(self.cfg, self.bare_model)
            write_stain(self.cfg, Path(self.work_dir))
        super().write_config(name)
