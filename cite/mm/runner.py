"""The runner of classification: frozen towers, tunings and heads on labelled patches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, get_rank, is_main_process
from mmengine.registry import RUNNERS
from torch import nn

from cite.encoders.text import build_text_encoder
from cite.errors import ConfigError, ModelError
from cite.frozen import trainable
from cite.mm.about import about_run, headlines, settle_sizes
from cite.mm.base_runner import TEST_CONFIG, BaseRunner
from cite.mm.checkpoint import anchors_of_checkpoint
from cite.mm.metric import PatchSlideMetric
from cite.mm.resolve import resolve
from cite.mm.selection import refuse_selection_on_test
from cite.mm.stain import settle_stain
from cite.mm.stain_record import write_stain


@RUNNERS.register_module()
class CiteRunner(BaseRunner):
    """Named by `runner_type = 'CiteRunner'` in a config; used by `mim train` and `cite train` alike."""

    own_hooks = ('CheckpointStateHook', 'BaselineHook', 'AdapterHook')

    @classmethod
    def complete(cls, cfg: Config, device: str) -> Config:
        return resolve(cfg, device)

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
        wanted = build_text_encoder(head['text_encoder']).settings()['model']
        if Path(wanted).name != Path(anchors.provenance.get('model', '')).name:
            return None  # of another encoder than the config's
        self.logger.warning(f'text encoder {wanted} is not at hand; anchors taken from {path}')
        return {**{k: v for k, v in head.items() if k != 'text_encoder'}, 'anchors': anchors}

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

    def write_config(self, name: str) -> None:
        """With the sizes that were inferred, and the stain that was fitted."""
        if is_main_process():
            settle_sizes(self.cfg, self.bare_model)
            write_stain(self.cfg, Path(self.work_dir))
        super().write_config(name)
