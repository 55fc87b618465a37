"""What follows from the names in a config for pairs is filled in; see `cite.mm.resolve`."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from mmengine.config import Config, ConfigDict

from cite.encoders.zoo import get_card
from cite.errors import ConfigError
from cite.mm.contrast.data import PairShards
from cite.mm.resolve import (
    loaders,
    settle_amp,
    settle_dataset,
    settle_loader,
    settle_optimizer,
    settle_pipeline,
    settle_runner,
    settle_schedule,
    settle_text_half,
)
from cite.precision import settle_precision


def resolve_pair(cfg: Config, device: str) -> Config:
    """A completed copy of the config.

    Args:
        cfg: As written, with `--cfg-options` merged.
        device: 'cuda' or 'cpu'.

    Raises:
        ConfigError: A part that is missing, or an unknown precision.
        ModelError: An unknown vision tower.
    """
    cfg = deepcopy(cfg)
    for key in ('model', 'train_dataloader'):
        if cfg.get(key) is None:
            raise ConfigError(f'the config has no `{key}`; see configs/contrast for what one holds')
    for key in ('vision', 'text'):
        side = cfg.model.get(key)
        if isinstance(side, str):
            cfg.model[key] = ConfigDict(model=side)
        elif side is None or (key == 'vision' and side.get('model') is None):
            raise ConfigError(f'the config has no `model.{key}.model`; see configs/contrast')
    if cfg.get('load_from') in ('none', 'None', ''):
        cfg.load_from = None  # `mim test` insists on a checkpoint; a published pair has none
    settle_runner(cfg)
    settle_schedule(cfg)
    card = get_card(cfg.model.vision.model)
    wanted = 'auto' if settle_amp(cfg) else cfg.model.get('precision', 'auto')
    cfg.model.precision = settle_precision(wanted, device)
    cfg.model.vision.setdefault('image_size', card.image_size)
    settle_text_half(cfg.model.text, cfg.model.vision.model)
    if cfg.get('test_dataloader') is None:
        cfg.test_cfg = cfg.test_evaluator = None
    for name, loader in loaders(cfg):
        training = name == 'train_dataloader'
        settle_loader(loader, training=training, device=device, sampler='PairSampler')
        settle_pipeline(loader.dataset, card, cfg.model.vision.image_size)
        settle_dataset(cfg, name)
        if loader.dataset.get('type') == PairShards.__name__:
            loader.dataset.batch_size = loader.batch_size
        if training:
            loader.dataset.setdefault('seed', cfg.randomness.seed)
    settle_optimizer(cfg)
    _evaluators(cfg)
    return cfg


def _evaluators(cfg: Config) -> None:
    for key, loader in (('val_evaluator', 'val_dataloader'), ('test_evaluator', 'test_dataloader')):
        if cfg.get(loader) is not None and not cfg.get(key):
            cfg[key] = ConfigDict(type='RecallAtK')
    if isinstance(cfg.get('test_evaluator'), ConfigDict):
        cfg.test_evaluator.setdefault('out_dir', str(Path(cfg.get('work_dir') or 'work_dirs/run')))
