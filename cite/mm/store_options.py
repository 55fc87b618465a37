"""The option `store` of a loader's data set: whether its patches are decoded once and kept."""

from __future__ import annotations

import os
import shutil
from typing import Any

from mmengine.config import Config, ConfigDict

from cite.data.batch_augment import BatchAugment
from cite.data.store import split_pipeline
from cite.errors import ConfigError
from cite.mm.baselines import read_table
from cite.mm.dataset import build_pipeline
from cite.mm.resolve import loaders
from cite.paths import cache_dir

LEAST_READS = 3
"""Times that a patch must be read for a store to pay: building it reads each once, and writes it."""
SHARE = 4
"""A store that nobody asked for takes at most one part in so many of the free disk."""


def settle_store(cfg: Config) -> None:
    """Decides 'auto' and fills in what goes with a store, in place.

    Raises:
        ConfigError: Neither True, False nor 'auto'; a pipeline that a store cannot stand for.
        DataError: As `read_table`, with 'auto'.
    """
    for name, loader in loaders(cfg):
        dataset = loader.dataset
        wanted = dataset.get('store', False)
        if wanted not in (True, False, 'auto'):
            raise ConfigError(f"store must be True, False or 'auto', found {wanted!r}")
        if wanted == 'auto':
            dataset.store = _pays(cfg, name)
        if not dataset.get('store', False):
            continue
        if dataset.get('views') is not None:
            raise ConfigError(
                f'{name}.dataset: views={dataset.views} and store=True do not go together: the views of a '
                'patch are made from its file, a store is augmented afresh in batches. Leave one out'
            )
        _check(dataset)
        loader.collate_fn = ConfigDict(type='patch_collate')
        cfg.model.setdefault(
            'data_preprocessor', ConfigDict(type='PatchPreprocessor', non_blocking=True)
        )


def _check(dataset: ConfigDict) -> None:
    _, augmentation = split_pipeline(build_pipeline(dataset.get('pipeline') or ()).steps)
    BatchAugment.of(augmentation)


def _pays(cfg: Config, name: str) -> bool:
    """Whether each patch is read often enough, and the disk has the room."""
    dataset = cfg[name].dataset
    if dataset.get('views') is not None:
        return False
    try:
        _check(dataset)
    except ConfigError:
        return False
    patches = len(read_table(cfg, name))
    side = next(step.size for step in dataset.pipeline if step.get('type') == 'ResizePatch')
    folder = next(path for path in (cache_dir(), *cache_dir().absolute().parents) if path.is_dir())
    fits = SHARE * 3 * side**2 * patches <= shutil.disk_usage(folder).free
    return fits and _reads(cfg, name, patches) >= LEAST_READS


def _reads(cfg: Config, name: str, patches: int) -> float:
    """How often the run reads a patch of this loader, on average."""
    training: Any = cfg.get('train_cfg')
    if name == 'test_dataloader' or not training:
        return 1
    length = training.max_iters
    if name == 'val_dataloader':
        return length / training.get('val_interval', 1000)
    processes = int(os.environ.get('WORLD_SIZE') or 1)
    return length * cfg[name].batch_size * processes / patches
