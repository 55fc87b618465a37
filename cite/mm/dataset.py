"""Patches for mmengine's data loaders, and the samplers that feed them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS, DATASETS, TRANSFORMS
from torch.utils.data import Dataset

from cite.data.dataset import PatchDataset as CorePatchDataset
from cite.data.readers import read_patches
from cite.data.samplers import Balance, Draw, TrainBatchSampler
from cite.data.transforms import AugmentPatch, PatchTransform
from cite.errors import ConfigError
from cite.images.resize import ResizePatch
from cite.mm.patch_batches import StoredPatches
from cite.mm.sample import sample_of

for transform in (ResizePatch, AugmentPatch):
    TRANSFORMS.register_module(module=transform)


def build_pipeline(steps: Sequence[Mapping[str, Any] | Callable[[Any], Any]]) -> PatchTransform:
    """The `pipeline` of a config; a step may also be a ready function."""
    return PatchTransform(
        *(TRANSFORMS.build(dict(step)) if isinstance(step, Mapping) else step for step in steps)
    )


@DATASETS.register_module()
class PatchDataset(Dataset):
    """Labelled patches from a folder, a CSV manifest, or mmpretrain's `filename label` lines.

    Args:
        ann_file: CSV manifest or annotation file, relative to `data_root`; empty for class folders.
        data_root: Folder of the data set.
        data_prefix: Folder of the images, relative to `data_root`.
        classes: Class names in label order.
        pipeline: Image transforms, such as `[dict(type='ResizePatch'), dict(type='AugmentPatch')]`.
        split: Rows of a manifest to take, by its `split` column.
        columns: Manifest columns under other names, such as `dict(slide='stain_cluster')`.
        slide_pattern: Regular expression with a group `slide`, for files without a slide column;
            'default' is PatchGastric's `{slide}_{hash}.jpg`, None makes every patch its own slide.
        keep_order: Rows in the order of the file. By default they are sorted by name, so that nothing
            depends on how a list was written.
        seed: Decides augmentation, with the number of the draw. Filled in by the runner.
        views: Training shows that many fixed views of each patch, the first of them unaugmented, so that
            what frozen stages make of them can be kept; None augments every draw afresh. The runner fills
            in 8 where nothing in the tower trains.
        store: Decode and resize every patch once, into a file in the cache, and give whole batches from
            there, augmented on the device of the model; 'auto': the runner decides. See `cite.data.store`.

    Raises:
        DataError: Files that are missing, listed twice or labelled outside the classes, and classes
            without a patch. With a store, a file that does not decode.
        ConfigError: A pipeline that a store cannot stand for.
    """

    def __init__(
        self,
        ann_file: str = '',
        data_root: str = '',
        data_prefix: str = '',
        classes: Sequence[str] | None = None,
        pipeline: Sequence[Mapping[str, Any]] = (),
        split: str | None = None,
        columns: Mapping[str, str] | None = None,
        slide_pattern: str | None = 'default',
        keep_order: bool = False,
        seed: int = 0,
        views: int | None = None,
        store: bool | Literal['auto'] = False,
        test_mode: bool = False,
    ) -> None:
        root = Path(data_root).expanduser()
        options: dict[str, Any] = {
            'classes': tuple(classes) if classes else None,
            'keep_order': keep_order,
        }
        if slide_pattern != 'default':
            options['slide_pattern'] = slide_pattern
        if split is not None:
            options['split'] = split
        if columns is not None:
            options['columns'] = dict(columns)
        if ann_file:
            self.table = read_patches(root / ann_file, root=root / data_prefix, **options)
        else:
            self.table = read_patches(root / data_prefix, **options)
        self.table.check(require_every_class=not test_mode)
        self.table.check_files()
        transform = build_pipeline(pipeline)
        self.patches = CorePatchDataset(self.table, transform, seed, views)
        if store not in (True, False, 'auto'):
            raise ConfigError(f"store must be True, False or 'auto', found {store!r}")
        self.stored: StoredPatches | None = None
        if store is True and transform.steps:  # without steps, only the table is asked for
            self.stored = StoredPatches(self.table, transform, seed)

    @property
    def metainfo(self) -> dict[str, Any]:
        return {'classes': self.table.classes}

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, key: int | Draw) -> dict[str, Any]:
        item = self.patches[key]
        return {'inputs': item['image'], 'data_samples': sample_of(self.table, item['index'])}

    @property
    def __getitems__(self) -> Callable[[Sequence[int | Draw]], dict[str, Any]] | None:
        """Gives PyTorch's loader a batch in one call; None, where each patch is to be asked for."""
        return None if self.stored is None else self.stored.batch


@DATA_SAMPLERS.register_module()
class PatchSampler:
    """Which patches training draws: see `cite.data.samplers.TrainBatchSampler`.

    Args:
        dataset, seed: Given by the runner.
        balance: 'none' (every patch once per epoch), 'class', or 'slide' (classes, then slides).

    `batch_sampler` names the class that makes its batches.
    """

    batch_sampler = 'PatchBatchSampler'

    def __init__(
        self, dataset: PatchDataset, seed: int | None = 0, balance: Balance = 'none'
    ) -> None:
        if not isinstance(dataset, PatchDataset):
            raise ConfigError(
                f"sampler 'PatchSampler' needs a 'PatchDataset', found {type(dataset).__name__}"
            )
        self.table = dataset.table
        self.seed = seed or 0
        self.balance = balance

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[int]:
        raise ConfigError(
            f'{type(self).__name__!r} needs batch_sampler=dict(type={self.batch_sampler!r})'
        )


@DATA_SAMPLERS.register_module()
class PatchBatchSampler(TrainBatchSampler):
    """Batches of a `PatchSampler` for this process; added by the runner."""

    def __init__(self, sampler: PatchSampler, batch_size: int) -> None:
        rank, world_size = get_dist_info()
        self.sampler = sampler  # mmengine's hooks look for it
        super().__init__(
            sampler.table.labels,
            sampler.table.slides,
            batch_size,
            sampler.seed,
            balance=sampler.balance,
            rank=rank,
            world_size=world_size,
        )
        self._batches_per_epoch = math.ceil(len(sampler) / (batch_size * world_size))

    def __len__(self) -> int:
        """Batches in which every patch could have come once; the sampler itself has no end."""
        return self._batches_per_epoch
