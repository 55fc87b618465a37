"""A data set of tiny patches, and a config that trains on it in a second."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from repo import REPO

CLASSES = ('well', 'moderate', 'poor')
COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200))

CONFIG = """
_base_ = ['{configs}/_base_/runtime.py', '{configs}/_base_/models/cite.py']
classes = ['well', 'moderate', 'poor']
data_root = {data!r}
model = dict(
    backbone=dict(model='random-vit-tiny', image_size=32),
    head=dict(texts=['red tissue', 'green tissue', 'blue tissue'],
              text_encoder=dict(model='random-bert-tiny')),
    precision='fp32',
)
train_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='PatchSampler', balance='slide'),
    dataset=dict(type='PatchDataset', ann_file='train.csv', classes=classes,
                 pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')]),
)
val_dataloader = None
test_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(type='PatchDataset', ann_file='val.csv', classes=classes),
)
train_cfg = dict(max_iters=8)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=4), logger=dict(interval=2))
"""


@pytest.fixture(scope='session', autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only lose by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='session', autouse=True)
def quick_start() -> Iterator[None]:
    """A good part of so short a run goes into laying out the config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.config.config.FormatCode', lambda text, **style: (text, False))
        yield


def write_tiny_data(
    root: Path, slides: int = 4, tested: int = 1, patches: int = 3, patients: bool = False
) -> Path:
    """3 classes × `slides` × `patches` of 40 × 40; the last `tested` slides of each class are for testing.

    Patients have one slide each.
    """
    (root / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[str, ...]]] = {'train': [], 'val': []}
    for label, colour in zip(CLASSES, COLOURS, strict=True):
        for slide in range(slides):
            for patch in range(patches):
                pixels = np.array(colour) + rng.normal(0, 40, (40, 40, 3))
                file = f'images/{label}{slide}_{patch}.jpg'
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / file)
                who = (f'patient-{label}{slide}',) if patients else ()
                part = 'val' if slide >= slides - tested else 'train'
                rows[part].append((file, label, f'{label}{slide}', *who))
    for name, content in rows.items():
        header = 'file,label,slide,patient' if patients else 'file,label,slide'
        write_manifest(root / f'{name}.csv', content, header)
    return root


def write_tiny_config(file: Path, data: Path) -> Path:
    """The config that trains on such a data set."""
    file.write_text(CONFIG.format(configs=REPO / 'configs', data=str(data)), encoding='utf-8')
    return file


def write_manifest(
    path: Path, rows: list[tuple[str, ...]], header: str = 'file,label,slide'
) -> None:
    with path.open('w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(header.split(','))
        writer.writerows(rows)
