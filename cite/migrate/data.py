"""An old `data` (data sets, pipelines, balancing) → our loaders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cite.data.patchgastric import PATCHGASTRIC_CLASSES
from cite.migrate.ledger import Section, spoken_for
from cite.migrate.python_text import Name

READERS = ('PatchGastricPipeline', 'CLIPPreprocess')
PACKERS = ('ToTensor', 'Collect', 'ImageToTensor')
LOADER = ('persistent_workers', 'pin_memory')


@dataclass(frozen=True)
class OldPatches:
    """One data set of an old config.

    Attributes:
        ann_file, data_prefix: As they were, relative to where the training is started.
        classes: Names in label order.
        balance: 'none', 'class' or 'slide'.
        augment: Whether its pipeline augments.
        clip_pixels: Whether it is preprocessed as CLIP's authors do it.
    """

    ann_file: str
    data_prefix: str
    classes: tuple[str, ...]
    balance: str
    augment: bool
    clip_pixels: bool


def read_data(data: Section) -> dict[str, OldPatches]:
    """'train' and 'test' (and 'val', where it is another data set than test) of an old config."""
    found: dict[str, OldPatches] = {}
    for part in ('train', 'val', 'test'):
        if part in data.keys():  # noqa: SIM118
            with spoken_for(data.section(part)) as old:
                found[part] = _patches(old)
    if 'test' not in found and 'val' in found:
        found['test'] = found['val']
    if found.get('val') == found.get('test'):
        found.pop('val', None)
    if 'test' not in found:
        data.ledger.refuse(f'{data.where} has neither val nor test')
    if len({patches.classes for patches in found.values()}) > 1:
        data.ledger.refuse(f'{data.where}: its parts have different classes')
    if len({patches.clip_pixels for patches in found.values()}) > 1:
        data.ledger.refuse(f'{data.where}: its pipelines normalise in different ways')
    return found


def _patches(old: Section) -> OldPatches:
    kind = old.take('type')
    if kind != 'PatchGastricCls3':
        old.ledger.refuse(f'{old.path("type")}={kind!r} (known: PatchGastricCls3)')
    old.expect('feature_file', None, why='features in place of images; cite computes them itself')
    old.expect('num_aug', None, 1, why='it goes with feature_file')
    old.drop('patient_level')  # never read
    old.drop('test_mode')
    names = old.take('classes', None) or PATCHGASTRIC_CLASSES
    if isinstance(names, str):
        old.ledger.refuse(f'{old.path("classes")}={names!r} (list the names)')
    balance = 'class' if old.take('patch_balance', False) else 'none'
    if old.take('slide_balance', False):
        balance = 'slide'
    reader, augment = _pipeline(old, old.take('pipeline', ()))
    return OldPatches(
        ann_file=_place(old.take('ann_file')),
        data_prefix=_place(old.take('data_prefix', '')),
        classes=tuple(names),
        balance=balance,
        augment=augment,
        clip_pixels=reader == 'CLIPPreprocess',
    )


def _place(path: Any) -> str:
    path = str(path or '')
    return str(Path(path).expanduser()) if path.startswith('~') else path


def _pipeline(old: Section, steps: Any) -> tuple[str, bool]:
    """The step that reads and normalises, and whether it augments."""
    reader, augment = '', False
    for number, step in enumerate(steps):
        where = f'{old.path("pipeline")}[{number}]'
        if not isinstance(step, Mapping):
            old.ledger.refuse(f'{where} is no dict')
            continue
        with spoken_for(Section(old.ledger, where, step)) as section:
            kind = section.take('type')
            if kind in READERS and not reader:
                reader = kind
                augment = kind == READERS[0] and not section.take('test_mode', False)
                section.drop('arch')  # CLIP's preprocessing is that of the tower
            elif kind in PACKERS:
                section.drop('keys')
            else:
                old.ledger.refuse(f'{where}.type={kind!r} (known: {", ".join(READERS + PACKERS)})')
    if not reader:
        old.ledger.refuse(f'{old.path("pipeline")} reads no image (known: {", ".join(READERS)})')
    return reader, augment


def migrate_loaders(
    data: Section, found: dict[str, OldPatches], original: bool, trains: bool
) -> dict[str, Any]:
    """Our three loaders; what they share (`classes`) is a name.

    Args:
        data: The old `data`; its remaining keys are spoken for.
        found: What `read_data` found in it.
        original: Protocol 'original'.
        trains: Whether anything trains.
    """
    sizes = {'batch_size': data.take('samples_per_gpu', 32)}
    workers = data.take('workers_per_gpu', 2)
    for key in LOADER:
        data.drop(key, 'the runner decides')
    data.close()
    loaders: dict[str, Any] = {'train_dataloader': None, 'val_dataloader': None}
    for part in ('train', 'val', 'test'):
        patches = found.get(part)
        if patches is None or (part == 'train' and not trains):
            continue
        if part != 'train' and patches.augment and not original:
            data.ledger.note(f'{data.path(part)}.pipeline augments; the evaluation here does not')
        loader = {**sizes, 'num_workers': workers}
        if part == 'train':
            loader['sampler'] = _sampler(patches.balance, original, workers)
        loaders[f'{part}_dataloader'] = {**loader, 'dataset': _dataset(part, patches, original)}
    return loaders


def _sampler(balance: str, original: bool, workers: int) -> dict[str, Any]:
    if original and balance != 'none':
        kind = {'class': 'patch', 'slide': 'slide'}[balance]
        return {'type': 'OriginalSampler', 'balance': kind, 'workers': workers}
    return {'type': 'PatchSampler', 'balance': balance}


def _dataset(part: str, patches: OldPatches, original: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {
        'type': 'PatchDataset',
        'ann_file': patches.ann_file,
        'data_prefix': patches.data_prefix,
        'classes': Name('classes'),
    }
    if original:
        spec['keep_order'] = True  # its sampling goes by the order of the file
    steps: list[dict[str, Any]] = [{'type': 'ResizePatch'}]
    if original and not patches.clip_pixels:
        steps[0] |= {'how': 'squash', 'interpolation': 'bilinear'}
    if patches.augment and original:
        steps.append({'type': 'OriginalAugment'})
    elif patches.augment and part == 'train':
        steps.append({'type': 'AugmentPatch'})
    if part == 'train' or steps != [{'type': 'ResizePatch'}]:
        spec['pipeline'] = steps
    return spec
