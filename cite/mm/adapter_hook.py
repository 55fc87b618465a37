"""The files of a trained run: config, adapter, model card; and a last look at the frozen part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from cite.adapter import AdapterInfo, read_info, save_adapter, with_licences
from cite.atomic import write_text
from cite.encoders.card import preprocessing
from cite.errors import TrainingError
from cite.mm.about import about_run
from cite.mm.stain_record import stain_record
from cite.model_card import model_card

ADAPTER = 'adapter.safetensors'
CARD = 'MODEL_CARD.md'
TRAIN_CONFIG = 'config.py'


@HOOKS.register_module()
class AdapterHook(Hook):
    """Writes `config.py`, `adapter.safetensors` and `MODEL_CARD.md` into the run folder."""

    priority = 'LOWEST'

    def before_train(self, runner: Any) -> None:
        runner.write_config(TRAIN_CONFIG)

    def after_train(self, runner: Any) -> None:
        model = runner.bare_model
        tower = model.backbone
        if not tower.frozen_stands():
            raise TrainingError(
                f'the frozen weights of {tower.card.name} changed during training; this is a defect. '
                'No adapter was written'
            )
        if not is_main_process():
            return
        about = {**about_run(runner), 'iterations': runner.iter}
        info = with_licences(adapter_info(model, runner.cfg, about))
        folder = Path(runner.work_dir)
        save_adapter(folder / ADAPTER, adapter_state(model), info)
        write_text(folder / CARD, model_card(info))
        runner.logger.info(f'adapter: {folder / ADAPTER}')

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """The card of the tested run gets the results."""
        folder = Path(runner.work_dir)
        results = folder / 'results.json'
        of_this_run = runner.loading and Path(runner.loading).resolve().parent == folder.resolve()
        if is_main_process() and of_this_run and (folder / ADAPTER).is_file() and results.is_file():
            found = json.loads(results.read_text(encoding='utf-8'))
            write_text(folder / CARD, model_card(read_info(folder / ADAPTER), found))


def adapter_state(model: Any) -> dict[str, Any]:
    """The state dict of the classifier, its head in the form that it is stored in."""
    state = {k: v for k, v in model.state_dict().items() if not k.startswith('head.')}
    return state | {f'head.{k}': v for k, v in model.head.frozen_form().state_dict().items()}


def adapter_info(model: Any, cfg: Config, training: dict[str, Any]) -> AdapterInfo:
    """Everything needed to build the classifier again from its base model."""
    tower, head = model.backbone, model.head
    head = head.frozen_form()
    head_spec = head.stored_as(_plain(cfg.model.head))
    anchors = dict(getattr(head, 'provenance', {}))  # of whatever encodes texts
    backbone = {k: v for k, v in _plain(cfg.model.backbone).items() if k != 'type'}
    if isinstance(backbone.get('tuning'), list):
        backbone['tuning'] = {'type': 'Several', 'tunings': backbone['tuning']}
    if isinstance(backbone.get('tuning'), dict):
        backbone['tuning'] = tower.tuning.stored_as(backbone['tuning'])
    return AdapterInfo(
        backbone=backbone,
        neck=_plain(cfg.model.neck) if cfg.model.get('neck') else None,
        head=head_spec,
        classes=list(model.classes),
        tower_digest=tower.digest,
        preprocessing={
            **preprocessing(tower.card, tower.image_size),
            'fit': _fit(cfg),
            'mpp': cfg.get('mpp'),
            'patch_size': cfg.get('patch_size'),
            'stain': stain_record(cfg),
        },
        precision=model.precision,
        anchors=anchors,
        training=training,
    )


def _fit(cfg: Config) -> dict[str, Any] | None:
    """How the config resizes patches, which may be another way than the authors'."""
    loader = cfg.get('test_dataloader') or {}
    for step in loader.get('dataset', {}).get('pipeline', ()):
        if step.get('type') == 'ResizePatch':
            return {key: value for key, value in _plain(step).items() if key != 'type'}
    return None


def _plain(spec: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(spec.to_dict()))
    return plain
