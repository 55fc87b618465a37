"""Image–caption pairs for mmengine's data loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS, DATASETS, TRANSFORMS
from torch.utils.data import Dataset, IterableDataset

from cite.data.captions import sample_sentences
from cite.data.crop_patch import CropPatch
from cite.data.pair_dataset import PairDataset as CorePairDataset
from cite.data.pair_dataset import Reword
from cite.data.pair_readers import read_pairs_csv, read_patchgastric_pairs
from cite.data.pairs import PairTable
from cite.data.samplers import Balance, Draw
from cite.data.shards import ShardDataset
from cite.errors import ConfigError
from cite.mm.contrast.sample import PairSample
from cite.mm.dataset import PatchSampler, build_pipeline

TRANSFORMS.register_module(module=CropPatch)

Sentences = Literal['all', 'sample']
Pipeline = Sequence[Mapping[str, Any] | Callable[[Any], Any]]

_REWORD: dict[str, Reword | None] = {'all': None, 'sample': sample_sentences}


class _Pairs(Dataset):
    """Pairs of a table, as mmengine wants them.

    Raises:
        ConfigError: Unknown `sentences`, or training on the part of a split that evaluates.
        DataError: Files that are missing.
    """

    metainfo: Mapping[str, Any] = {}

    def __init__(
        self, pairs: PairTable, pipeline: Pipeline, seed: int, sentences: str, test_mode: bool
    ) -> None:
        if sentences not in _REWORD:
            raise ConfigError(f'sentences must be one of {sorted(_REWORD)}, found {sentences!r}')
        if pairs.held_out and not test_mode:
            raise ConfigError(
                f'{pairs.source}: {pairs.part!r} evaluates, nothing may be trained on it; take a '
                'training part of the split'
            )
        pairs.check_files()
        self.pairs = pairs
        reword = None if test_mode else _REWORD[sentences]
        self.items = CorePairDataset(pairs, build_pipeline(pipeline), seed, reword)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: int | Draw) -> dict[str, Any]:
        item = self.items[key]
        sample = PairSample(
            metainfo={
                'caption': item['caption'],
                'group': item['group'],
                'drawn': item['drawn'],
                'img_path': str(self.pairs.path(item['index'])),
            }
        )
        return {'inputs': item['image'], 'data_samples': sample}


@DATASETS.register_module()
class PairDataset(_Pairs):
    """Pairs of a CSV manifest `file,caption[,slide][,split]`.

    Args:
        ann_file: The manifest, relative to `data_root`.
        data_root: Folder of the data set.
        data_prefix: Folder of the images, relative to `data_root`.
        pipeline: Image transforms.
        split: Rows to take, by the `split` column.
        columns: Columns under other names, such as `dict(caption='text')`.
        mask_grades: Take out of captions what names the grade.
        sentences: 'all', or 'sample': some of a caption's sentences, drawn anew each time.
        seed: Of augmentation; filled in by the runner.
        test_mode: Evaluation: whole captions.
    """

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        data_prefix: str = '',
        pipeline: Pipeline = (),
        split: str | None = None,
        columns: Mapping[str, str] | None = None,
        mask_grades: bool = False,
        sentences: Sentences = 'all',
        seed: int = 0,
        test_mode: bool = False,
    ) -> None:
        root = Path(data_root).expanduser()
        pairs = read_pairs_csv(
            root / ann_file,
            root / data_prefix,
            dict(columns) if columns else None,
            split,
            mask_grades,
        )
        super().__init__(pairs, pipeline, seed, sentences, test_mode)


@DATASETS.register_module()
class PatchGastricPairs(_Pairs):
    """Patches of PatchGastric, each with the report of its slide.

    Only slides that the split has in `part` are taken. Training on the part that evaluates ('val') is
    refused.

    Args:
        data_root: Folder of the data set, prepared by `cite prepare patchgastric`.
        part: 'train_all', 'train_1', …; for evaluation 'val'.
        split_dir: Folder of the split; default `data_root/splits`.
        patches_per_slide: As many patches of every slide at most, the first by name; None: all.
        pipeline, mask_grades, sentences, seed, test_mode: As of `PairDataset`.
    """

    def __init__(
        self,
        data_root: str,
        part: str = 'train_all',
        split_dir: str | None = None,
        patches_per_slide: int | None = None,
        pipeline: Pipeline = (),
        mask_grades: bool = False,
        sentences: Sentences = 'all',
        seed: int = 0,
        test_mode: bool = False,
    ) -> None:
        pairs = read_patchgastric_pairs(
            Path(data_root).expanduser(), split_dir, part, mask_grades=mask_grades
        )
        if patches_per_slide is not None:
            if patches_per_slide < 1:
                raise ConfigError(
                    f'patches_per_slide must be at least 1 or None, found {patches_per_slide}'
                )
            pairs = pairs.subset(_first(pairs.slides, patches_per_slide))
        super().__init__(pairs, pipeline, seed, sentences, test_mode)


def _first(slides: np.ndarray, count: int) -> np.ndarray:
    """Rows of the first `count` of each slide; the table is sorted by name."""
    order = np.argsort(slides, kind='stable')
    _, starts, sizes = np.unique(slides[order], return_index=True, return_counts=True)
    place = np.arange(len(slides)) - np.repeat(starts, sizes)
    return np.sort(order[place < count])


@DATASETS.register_module()
class PairShards(IterableDataset):
    """Pairs streamed from WebDataset shards; see `cite.data.shards.ShardDataset`.

    Args:
        shards: Files, or a pattern such as 'shards/train-{000..127}.tar'.
        batch_size: Filled in by the runner from the loader's.
        buffer: Samples in the shuffle buffer.
        pipeline, mask_grades, seed, test_mode: As of `PairDataset`.
    """

    metainfo: Mapping[str, Any] = {}

    def __init__(
        self,
        shards: str | Sequence[str],
        data_root: str = '',
        batch_size: int = 1,
        buffer: int = 10_000,
        pipeline: Pipeline = (),
        mask_grades: bool = False,
        seed: int = 0,
        test_mode: bool = False,
    ) -> None:
        root = Path(data_root).expanduser()
        names = [shards] if isinstance(shards, str) else list(shards)
        rank, world_size = get_dist_info()
        if test_mode and world_size > 1:  # their last batches need not be enough for all
            raise ConfigError(
                'PairShards evaluates in one process only; give the validation pairs as a PairDataset'
            )
        self._per_step = batch_size * world_size
        self._count: int | None = None  # hooks ask in every iteration of an evaluation
        self.shards = ShardDataset(
            [root / name for name in names],
            build_pipeline(pipeline),
            seed=seed,
            buffer=0 if test_mode else buffer,
            batch_size=batch_size,
            epochs=1 if test_mode else None,
            rank=rank,
            world_size=world_size,
            mask_grades=mask_grades,
            held_out=test_mode,
        )

    def __len__(self) -> int:
        """Pairs in one pass; mmengine asks for it before training and in evaluation."""
        if self._count is None:
            self._count = self.shards.count()
        return self._count

    def set_start(self, iteration: int) -> None:
        """The next pass goes on behind so many iterations."""
        self.shards.set_start(0, iteration * self._per_step)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for item in self.shards:
            meta = {'caption': item['caption'], 'group': item['group'], 'img_path': item['key']}
            meta['drawn'] = item['group']
            yield {'inputs': item['image'], 'data_samples': PairSample(metainfo=meta)}


@DATA_SAMPLERS.register_module()
class PairSampler(PatchSampler):
    """Which pairs training draws.

    Args:
        dataset, seed: Given by the runner.
        balance: 'none' (every patch once per epoch), or 'text': every text as often as any other,
            however many patches share it.
    """

    def __init__(
        self,
        dataset: _Pairs,
        seed: int | None = 0,
        balance: Literal['none', 'text'] = 'none',
    ) -> None:
        if not isinstance(dataset, _Pairs):
            raise ConfigError(f"sampler 'PairSampler' needs pairs, found {type(dataset).__name__}")
        kinds: dict[str, Balance] = {'none': 'none', 'text': 'class'}
        if balance not in kinds:
            raise ConfigError(f'balance must be one of {list(kinds)}, found {balance!r}')
        self.table = dataset.pairs.patches()
        self.seed = seed or 0
        self.balance = kinds[balance]
