"""The options of a config that decide what is kept of frozen stages: `cache` and a data set's `views`."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import TRANSFORMS

from cite.errors import ConfigError
from cite.registry import class_of
from cite.tuning import TUNINGS
from cite.tuning.base import NoTuning

MODES = ('auto', 'on', 'off')
DEFAULTS: dict[str, Any] = {'mode': 'auto', 'limit_gb': 50, 'dtype': 'auto'}
VIEWS = 8
"""Of each patch, where a config leaves it open and nothing in the tower trains."""


def settle_cache(cfg: Config) -> None:
    """`cache='auto'` or `cache=dict(mode=…, limit_gb=…, dtype=…)`, filled in in place.

    Raises:
        ConfigError: Another mode or option.
    """
    given = cfg.get('cache', 'auto')
    if isinstance(given, bool):  # YAML's on and off
        given = 'on' if given else 'off'
    options = dict(given) if isinstance(given, dict) else {'mode': given}
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise ConfigError(f'cache takes {", ".join(DEFAULTS)}; found {", ".join(unknown)}')
    done = DEFAULTS | options
    if done['mode'] not in MODES:
        raise ConfigError(f'cache must be {", ".join(MODES)}; found {done["mode"]!r}')
    limit = done['limit_gb']
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0:
        raise ConfigError(f'cache.limit_gb must be a number above 0, found {limit!r}')
    cfg.cache = ConfigDict(done)


def settle_views(cfg: Config) -> None:
    """The views of the training patches, filled in in place.

    'auto' (the default) is `VIEWS` where nothing in the tower trains, so that its features can be kept, and
    None, fresh augmentation in every draw, where something does, where nothing augments, and with a store,
    whose patches are augmented in batches.
    """
    dataset = cfg.train_dataloader.dataset
    if dataset.get('type') != 'PatchDataset':
        return
    if dataset.setdefault('views', 'auto') == 'auto':
        tuning = cfg.model.backbone.get('tuning')
        untuned = not tuning or class_of(TUNINGS, tuning) is NoTuning
        augmented = any(_augments(step) for step in dataset.pipeline)
        stored = dataset.get('store', False) is True
        dataset.views = VIEWS if untuned and augmented and not stored else None


def _augments(step: Any) -> bool:
    kind = step.get('type') if hasattr(step, 'get') else step
    found = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
    return bool(getattr(found, 'augments', False))
