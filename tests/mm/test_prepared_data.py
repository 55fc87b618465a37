"""What `cite prepare` writes for data of one's own trains as it is."""

from __future__ import annotations

import json

from repo import REPO

from cite.cli import main
from cite.mm import launch

CONFIG = """
_base_ = ['{configs}/_base_/runtime.py', '{configs}/_base_/models/cite.py', '{fragment}']
model = dict(
    backbone=dict(model='random-vit-tiny', image_size=32),
    head=dict(texts={{{{_base_.classes}}}}, text_encoder=dict(model='random-bert-tiny')),
    precision='fp32',
)
train_cfg = dict(max_iters=3)
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3))
param_scheduler = []
"""


def test_the_fragment_of_a_config_trains_and_tests(tiny_data, tmp_path):
    splits = tmp_path / 'splits'
    words = ['--patch-size', '40', '--mpp', '0.5', '--out', str(splits), '--eval-fraction', '0.5']
    assert main(['prepare', 'csv', str(tiny_data / 'train.csv'), *words]) == 0
    file = tmp_path / 'mine.py'
    fragment = splits / 'dataset.py'
    file.write_text(CONFIG.format(configs=REPO / 'configs', fragment=fragment), encoding='utf-8')
    options = {
        'train_dataloader.num_workers': 0,
        'test_dataloader.num_workers': 0,
        'train_dataloader.batch_size': 4,
    }
    runner = launch.train(launch.load_config(file, str(tmp_path / 'run'), options))
    assert runner.iter == 3
    cfg = launch.load_config(file, str(tmp_path / 'run'), options)
    launch.test(cfg, str(tmp_path / 'run' / 'iter_3.pth'))
    about = json.loads((tmp_path / 'run' / 'results.json').read_text())['about']
    record = json.loads((splits / 'prepare.json').read_text())
    assert about['data']['test']['split_hash'] == record['split_hash']
    assert about['data']['test']['sha256'] == record['manifests']['val.csv']
    card = (tmp_path / 'run' / 'MODEL_CARD.md').read_text()
    assert 'cut at 40 pixels, 0.5 microns per pixel' in card
