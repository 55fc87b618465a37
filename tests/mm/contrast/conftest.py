"""24 tiny pairs of 8 texts, a config that trains on them in a second, and one finished run."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CONFIGS = Path(__file__).parents[3] / 'configs'
COLOURS = ('red', 'green', 'blue', 'grey')
LOOKS = ('dark glands.', 'pale cords.')

CONFIG = """
_base_ = ['{configs}/_base_/contrast.py']
data_root = {data!r}
model = dict(
    type='CitePair',
    vision=dict(model='random-vit-tiny', image_size=32, tuning=dict(type='LoRA', r=2)),
    text=dict(model='random-bert-tiny', pooling='mean', tuning='FullFineTuning'),
    dim=6,
    precision='fp32',
)
train_dataloader = dict(
    batch_size=6, num_workers=0,
    dataset=dict(type='PairDataset', ann_file='train.csv', sentences='sample',
                 pipeline=[dict(type='CropPatch'), dict(type='ResizePatch'),
                           dict(type='AugmentPatch')]),
)
val_dataloader = dict(
    batch_size=5, num_workers=0, dataset=dict(type='PairDataset', ann_file='val.csv'),
)
test_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dict(type='PairDataset', ann_file='val.csv'),
)
train_cfg = dict(max_iters=8, val_interval=3)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=3),
]
default_hooks = dict(checkpoint=dict(interval=4), logger=dict(interval=2))
"""


@pytest.fixture(scope='session')
def pair_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train: 8 texts × 3 patches, a slide each; val: 4 of the texts × 2 patches of other slides."""
    root = tmp_path_factory.mktemp('pair_data')
    rng = np.random.default_rng(0)
    for name, patches, step in (('train', 3, 1), ('val', 2, 2)):
        texts = [f'{colour} tissue. {look}' for colour in COLOURS for look in LOOKS][::step]
        rows = []
        for number, text in enumerate(texts):
            for patch in range(patches):
                pixels = rng.normal(40 + 24 * number, 30, (40, 40, 3)).clip(0, 255)
                file = f'{name}{number}_{patch}.jpg'
                Image.fromarray(pixels.astype(np.uint8)).save(root / file)
                rows.append((file, text, f'{name}{number}'))
        with (root / f'{name}.csv').open('w', encoding='utf-8', newline='') as stream:
            writer = csv.writer(stream)
            writer.writerow(('file', 'caption', 'slide'))
            writer.writerows(rows)
    return root


@pytest.fixture(scope='session')
def pair_file(pair_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config file."""
    file = tmp_path_factory.mktemp('pair_config') / 'tiny_pair.py'
    file.write_text(CONFIG.format(configs=CONFIGS, data=str(pair_data)), encoding='utf-8')
    return file


@pytest.fixture
def tiny_pair(pair_file: Path, tmp_path: Path) -> Callable[..., Any]:
    """`tiny_pair({'dotted.key': value}, 'folder')` → the config, `tmp_path/folder` its run folder."""
    from cite.mm.launch import load_config

    def load(options: dict[str, Any] | None = None, folder: str = 'run') -> Any:
        return load_config(pair_file, str(tmp_path / folder), options)

    return load


@pytest.fixture(scope='session')
def finished_pair(pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of 8 iterations (checkpoints at 4 and 8) that was tested. Read it, change a copy."""
    from cite.mm.launch import load_config, test, train

    folder = tmp_path_factory.mktemp('finished_pair') / 'run'
    train(load_config(pair_file, str(folder)))
    test(load_config(pair_file, str(folder)), str(folder / 'iter_8.pth'))
    return folder


@pytest.fixture
def stopped_pair(finished_pair: Path, tmp_path: Path) -> Path:
    """Copy of the finished run as it was after iteration 4, in `tmp_path/run`."""
    folder = tmp_path / 'run'
    folder.mkdir()
    shutil.copy(finished_pair / 'iter_4.pth', folder)
    return folder
