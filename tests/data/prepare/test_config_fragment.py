from __future__ import annotations

from pathlib import Path

import pytest

from cite.data import PatchTable, few_shot_split
from cite.data.prepare.config_fragment import config_fragment

CLASSES = ("tumour's edge", 'gland "x"', 'é')


def fragment(root, out, shots=(1, 2, 'all'), **options):
    rows = [(f'{c}{s}.png', c, f'{c}{s}') for c in range(3) for s in range(5)]
    files, labels, slides = zip(*rows, strict=True)
    table = PatchTable(files, labels, slides, CLASSES, root)
    found: dict = {}
    text = config_fragment(table, few_shot_split(table, shots, 0.5), out, **options)
    exec(text, found)  # a config is a Python file
    return found


def test_it_names_classes_loaders_and_what_is_known(tmp_path):
    found = fragment(tmp_path, tmp_path / 'splits', mpp=0.25, patch_size=300)
    assert found['classes'] == list(CLASSES)
    assert (found['mpp'], found['patch_size']) == (0.25, 300)
    assert Path(found['data_root']) == tmp_path.resolve()
    train, test = found['train_dataloader']['dataset'], found['test_dataloader']['dataset']
    assert (train['ann_file'], test['ann_file']) == ('splits/train_2.csv', 'splits/val.csv')
    assert train['classes'] == test['classes'] == list(CLASSES)
    assert found['val_dataloader'] is None


@pytest.mark.parametrize('out', ['beside', '.'])
def test_manifests_elsewhere_are_named_in_full(tmp_path, out):
    found = fragment(tmp_path / 'root', tmp_path / out, shots=('all',))
    assert 'mpp' not in found and 'patch_size' not in found
    path = Path(found['train_dataloader']['dataset']['ann_file'])
    assert path == (tmp_path / out / 'train_all.csv').resolve()
