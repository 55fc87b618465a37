"""What decided a pair: towers, tunings, data, seed, versions. Kept in its file and beside its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from cite.data.splits import Split
from cite.frozen import trainable
from cite.mm.about import about_data, config_name, device_name, versions
from cite.mm.contrast.data import PatchGastricPairs


def about_pair(runner: Any) -> dict[str, Any]:
    """The record of a run on pairs, plain values only."""
    model, cfg = runner.bare_model, runner.cfg
    pair = model.pair
    return {
        'config': config_name(cfg.filename),
        'vision': pair.vision.card.name,
        'vision_tuning': repr(pair.vision.tuning),
        'text': pair.text.name,
        'text_tuning': repr(pair.text.tuning),
        'dim': pair.dim,
        'loss': model.loss_name,
        'chunk': model.chunk,
        'trained_parameters': sum(p.numel() for p in trainable(model).values()),
        'precision': model.precision,
        'seed': runner.seed,
        'checkpoint': runner.loading or None,
        'data': _data(cfg) | ({'train': runner.trained_on} if runner.trained_on else {}),
        'device': device_name(),
        'versions': versions(),
    }


def _data(cfg: Config) -> dict[str, dict[str, Any]]:
    """As for classification, with the part and the split of PatchGastric, and the names of shards."""
    found = about_data(cfg)
    for name, about in found.items():
        dataset = cfg[f'{name}_dataloader'].dataset
        if 'shards' in dataset:
            about['shards'] = dataset.shards
        elif dataset.type == PatchGastricPairs.__name__:
            about['part'] = dataset.get('part', 'train_all')
            split = (
                Path(dataset.get('split_dir') or Path(about['source']) / 'splits') / 'split.json'
            )
            if split.is_file():  # training data may be gone where a checkpoint is tested
                about['split_hash'] = Split.load(split).hash
    return found
