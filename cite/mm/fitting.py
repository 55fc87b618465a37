"""Heads that are made from the features of the training patches: made once, before anything trains.

Every training patch is read once, in the order of the table, as a test would read it: the pipeline of the
test data, without augmentation and without the sampler's caps and balance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import broadcast
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from cite.data.dataset import PatchDataset
from cite.encoders.tuned import evaluating
from cite.errors import ConfigError, TrainingError
from cite.frozen import trainable
from cite.heads.base import HEADS, of_head
from cite.mm.baselines import read_table
from cite.mm.dataset import build_pipeline
from cite.mm.prefix import keep_patches
from cite.registry import class_of
from cite.tuning import TUNINGS
from cite.tuning.base import NoTuning


def refuse_moving_features(cfg: Config) -> None:
    """Refuses a config whose stored features would be of another model once it has trained.

    Only what the names tell: nothing is built. `make_head` looks at the model itself.

    Args:
        cfg: Resolved.

    Raises:
        ConfigError: A head that is made from features, under a tuning or a neck that trains.
    """
    model = cfg.model
    head = class_of(HEADS, model.head)
    if head is None or not head.takes_features:
        return
    moving = []
    tuning, neck = model.backbone.get('tuning'), model.get('neck')
    if tuning and class_of(TUNINGS, tuning) is not NoTuning:
        moving.append('model.backbone.tuning=None')
    if neck and not neck.get('frozen', False):
        moving.append('model.neck=None (or model.neck.frozen=True)')
    if moving:
        raise ConfigError(_stale(head.__name__, ' and '.join(moving)))


def make_head(runner: Any, path: str | None) -> None:
    """Has the head of a runner's model made, or gives it the sizes that it has in a checkpoint.

    It comes before the optimiser is built, and before processes compare their weights.

    Args:
        path: The checkpoint that is about to be loaded; its features stand in place of computed ones.

    Raises:
        ConfigError: Weights outside the head train.
        DataError: A patch that cannot be read.
        TrainingError: A feature that is no number.
    """
    model = runner.bare_model
    name = type(model.head).__name__
    moving = [weight for weight in trainable(model) if not weight.startswith('head.')]
    if moving:
        more = f' and {len(moving) - 3} more' if len(moving) > 3 else ''
        raise ConfigError(_stale(name, f'freeze {", ".join(moving[:3])}{more}'))
    if path is not None:
        model.head.make_room(of_head(_stored_state(path)))
        return
    features, labels = training_features(runner)
    model.head.fit(features, labels)
    runner.logger.info(f'{name}: made from the features of {len(labels):,} training patches')


@torch.no_grad()
def training_features(runner: Any) -> tuple[Tensor, Tensor]:
    """What tower and neck make of every training patch.

    Every process computes them all, which takes no longer than waiting for one that does, and takes those
    of the first: so all of them go on from the same numbers.

    Returns:
        Features (N, D) float32 and labels (N,) int64, on the CPU.

    Raises:
        ConfigError, DataError: As `read_table`.
        TrainingError: A feature that is no number.
    """
    cfg, model = runner.cfg, runner.bare_model
    table = read_table(cfg, 'train_dataloader')
    loader = cfg.test_dataloader
    patches = PatchDataset(table, build_pipeline(loader.dataset.pipeline), cfg.randomness.seed)
    parts = []
    with evaluating(model), _bar(len(table), runner.rank) as bar:
        for inputs in _inputs(runner, patches, loader):
            parts.append(model.features(inputs).float().cpu())
            bar.update(len(parts[-1]))
    features = torch.cat(parts)
    bad = (~features.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if bad:
        raise TrainingError(
            f'the feature of {table.path(bad[0])} is not finite ({len(bad)} of {len(table)} patches); set '
            'model.precision=fp32'
        )
    broadcast(features)
    return features, torch.tensor(table.labels)


def _inputs(runner: Any, patches: PatchDataset, loader: Any) -> Iterator[Any]:
    """The patches in batches, or what is kept of them, on the device of the model."""
    kept = keep_patches(runner, patches, 'test_dataloader', 'training patches')
    if kept is not None:
        for rows in np.array_split(np.arange(len(patches)), -(-len(patches) // loader.batch_size)):
            yield {'prefix': kept.batch(rows)}
        return
    batches: Any = DataLoader(
        patches,
        batch_size=loader.batch_size,
        num_workers=loader.num_workers,
        generator=torch.Generator(),  # its own: starting draws a number
    )
    device = runner.bare_model.backbone.mean.device
    for batch in batches:
        yield batch['image'].to(device)


def _bar(total: int, rank: int) -> Any:
    return tqdm(total=total, desc='features', unit='patch', delay=2, disable=rank != 0)


def _stored_state(path: str) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location='cpu', weights_only=True, mmap=True)['state_dict']
        return {str(name): value for name, value in state.items()}
    except Exception:  # whatever is wrong with it is told when it is loaded
        return {}


def _stale(head: str, remedy: str) -> str:
    return (
        f'{head} keeps the features of training patches as they are at the start, and here they would move '
        f'under it: what gives them trains. Set {remedy}'
    )
