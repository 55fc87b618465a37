"""Loaders that give what frozen stages made of the patches, in place of the patches.

Results are those of a run that computes the stages in every step; `cite.prefix` says what is kept and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from torch.utils.data import DataLoader, Dataset

from cite.data.dataset import PatchDataset as CorePatchDataset
from cite.data.samplers import Draw
from cite.data.views import views_of_draws
from cite.encoders.tuned import evaluating
from cite.frozen import trainable
from cite.mm.dataset import PatchDataset
from cite.mm.sample import PatchBatch
from cite.precision import settle_precision
from cite.prefix.keep import Keeper, KeepOptions
from cite.prefix.kept import Kept


class KeptPatches(Dataset):
    """What is kept of patches, batch by batch, as `CiteClassifier` takes it.

    Args:
        patches: The data set whose patches they are.
        kept: What is kept of them, in all of their views.
    """

    def __init__(self, patches: PatchDataset, kept: Kept) -> None:
        self.patches = patches
        self.kept = kept
        self.metainfo = patches.metainfo

    def __len__(self) -> int:
        return len(self.patches)

    def __getitems__(self, keys: Sequence[int | Draw]) -> dict[str, Any]:
        """A whole batch; torch's loaders ask for one at a time where a data set has this method."""
        core = self.patches.patches
        draws = [key for key in keys if isinstance(key, Draw)]
        rows = np.array([draw.index for draw in draws] or keys)
        views: Any = 0
        if draws and core.views is not None:
            views = views_of_draws(core.seed, [draw.number for draw in draws], core.views)
        return {
            'inputs': {'prefix': self.kept.batch(rows, views)},
            'data_samples': PatchBatch(self.patches.table, rows),
        }


def keeper_of(runner: Any) -> Keeper:
    """For the model of a runner, with the options of its config."""
    model = runner.bare_model
    tower = model.backbone
    return Keeper(
        tower,
        settle_precision(model.precision, tower.mean.device),
        KeepOptions(**runner.cfg.get('cache', {'mode': 'off'})),
        runner.logger,
        runner.cfg.test_dataloader.num_workers,
    )


def keep_training(runner: Any, loader: Any, first: int, last: int) -> Any:
    """The loader of kept activations, or the one that was given where nothing is kept.

    Args:
        loader: Of the training patches.
        first, last: Iterations from which on, and in front of which, the run trains.
    """
    dataset = loader.dataset
    sampler = loader.batch_sampler
    if not isinstance(dataset, PatchDataset) or first >= last:
        return loader
    draws = (last - first) * sampler.batch_size * get_world_size()
    steps = runner.cfg.train_dataloader.dataset.pipeline
    kept = keeper_of(runner).keep(
        dataset.patches, steps, 'training patches', draws, sampler.batch_size
    )
    if kept is None:
        return loader
    _start_tuning(runner, loader, first)
    return _over(KeptPatches(dataset, kept), batch_sampler=sampler)


def keep_evaluation(runner: Any, loader: Any, name: str) -> Any:
    """The same for patches that are evaluated, in order and unaugmented.

    Of these only features are kept, unless the config asks for it (`cache='on'`): each is read once in a
    run, and features cost next to nothing.

    Args:
        name: Of the loader in the config.
    """
    dataset = loader.dataset
    keeper = keeper_of(runner)
    whole = keeper.tower.frozen_stages > keeper.tower.depth
    if not isinstance(dataset, PatchDataset) or not (whole or keeper.options.mode == 'on'):
        return loader
    what = f'{name.removesuffix("_dataloader")} patches'
    steps = runner.cfg[name].dataset.pipeline
    # the next run of this tower, and the next evaluation of this one, need none of them computed
    draws = 2 * len(dataset)
    kept = keeper.keep(dataset.patches, steps, what, draws, loader.batch_size)
    if kept is None:
        return loader
    return _over(KeptPatches(dataset, kept), sampler=loader.sampler, batch_size=loader.batch_size)


def keep_patches(runner: Any, patches: CorePatchDataset, name: str, what: str) -> Kept | None:
    """What is kept of patches that are read by the pipeline of a loader, and no loader is wanted for.

    Args:
        name: Of the loader in the config.
    """
    cfg = runner.cfg[name]
    keeper = keeper_of(runner)
    return keeper.keep(patches, cfg.dataset.pipeline, what, 2 * len(patches), cfg.batch_size)


def _over(patches: KeptPatches, **options: Any) -> DataLoader:
    return DataLoader(patches, num_workers=0, collate_fn=_as_it_is, **options)


def _as_it_is(batch: Any) -> Any:
    return batch


@torch.no_grad()
def _start_tuning(runner: Any, loader: Any, first: int) -> None:
    """Shows the tuning the embedded tokens of the first batch, which prompts may start from."""
    model = runner.bare_model
    tower = model.backbone
    if not trainable(tower):
        return
    draws = loader.batch_sampler.batch(first)
    images = torch.stack([loader.dataset.patches[draw]['image'] for draw in draws])
    with evaluating(model), model.autocast():
        tower.tuning.start(tower.embed(images.to(tower.mean.device)))
