"""Patches: tables and their readers, few-shot splits by slide, samplers, transforms, datasets.

Names are imported on first use, so that reading a manifest needs neither torch nor torchvision.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cite.data.cap import cap_per_slide
    from cite.data.captions import (
        GRADE_WORDS,
        MASK,
        caption_group,
        group_captions,
        mask_grades,
        normalise_caption,
    )
    from cite.data.csv_manifest import read_csv
    from cite.data.dataset import Item, PatchDataset
    from cite.data.manifests import PartCount, write_manifest, write_split
    from cite.data.pair_dataset import PairDataset, PairItem
    from cite.data.pair_readers import read_pairs_csv, read_patchgastric_pairs
    from cite.data.pairs import PairTable
    from cite.data.patchgastric import PATCHGASTRIC_CLASSES, read_patchgastric
    from cite.data.randomness import generator, seeded
    from cite.data.readers import read_annotation, read_folder, read_patches
    from cite.data.samplers import Draw, TrainBatchSampler
    from cite.data.shard_writing import write_shards
    from cite.data.shards import ShardDataset, ShardItem
    from cite.data.slide_names import SLIDE_PATTERN
    from cite.data.splits import Split, few_shot_split
    from cite.data.stain import fit_stain
    from cite.data.stain_jitter import StainJitter
    from cite.data.table import ClassCount, PatchTable
    from cite.data.transforms import AugmentPatch, PatchTransform
    from cite.data.verify import BadImage, verify_images

_HOMES = {
    'cap': ('cap_per_slide',),
    'captions': (
        'GRADE_WORDS',
        'MASK',
        'caption_group',
        'group_captions',
        'mask_grades',
        'normalise_caption',
    ),
    'csv_manifest': ('read_csv',),
    'dataset': ('Item', 'PatchDataset'),
    'manifests': ('PartCount', 'write_manifest', 'write_split'),
    'pair_dataset': ('PairDataset', 'PairItem'),
    'pair_readers': ('read_pairs_csv', 'read_patchgastric_pairs'),
    'pairs': ('PairTable',),
    'patchgastric': ('PATCHGASTRIC_CLASSES', 'read_patchgastric'),
    'randomness': ('generator', 'seeded'),
    'readers': ('read_annotation', 'read_folder', 'read_patches'),
    'samplers': ('Draw', 'TrainBatchSampler'),
    'shard_writing': ('write_shards',),
    'shards': ('ShardDataset', 'ShardItem'),
    'slide_names': ('SLIDE_PATTERN',),
    'splits': ('Split', 'few_shot_split'),
    'stain': ('fit_stain',),
    'stain_jitter': ('StainJitter',),
    'table': ('ClassCount', 'PatchTable'),
    'transforms': ('AugmentPatch', 'PatchTransform'),
    'verify': ('BadImage', 'verify_images'),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    'GRADE_WORDS',
    'MASK',
    'PATCHGASTRIC_CLASSES',
    'SLIDE_PATTERN',
    'AugmentPatch',
    'BadImage',
    'ClassCount',
    'Draw',
    'Item',
    'PairDataset',
    'PairItem',
    'PairTable',
    'PartCount',
    'PatchDataset',
    'PatchTable',
    'PatchTransform',
    'ShardDataset',
    'ShardItem',
    'Split',
    'StainJitter',
    'TrainBatchSampler',
    'cap_per_slide',
    'caption_group',
    'few_shot_split',
    'fit_stain',
    'generator',
    'group_captions',
    'mask_grades',
    'normalise_caption',
    'read_annotation',
    'read_csv',
    'read_folder',
    'read_pairs_csv',
    'read_patches',
    'read_patchgastric',
    'read_patchgastric_pairs',
    'seeded',
    'verify_images',
    'write_manifest',
    'write_shards',
    'write_split',
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOME_OF[name]}'), name)
