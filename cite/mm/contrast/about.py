"""What decided a pair: towers, tunings, data, seed, versions. Kept in its file and beside its results."""

from __future__ import annotations

from typing import Any

from cite.frozen import trainable
from cite.mm.about import about_data, config_name, device_name, versions


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
        'data': about_data(cfg),
        'device': device_name(),
        'versions': versions(),
    }
