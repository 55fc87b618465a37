from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from cite.data import (
    AugmentPatch,
    Draw,
    PatchDataset,
    PatchTable,
    PatchTransform,
    TrainBatchSampler,
)
from cite.errors import DataError
from cite.images import ResizePatch


class Noise:
    """Draws from all three generators that a transform may use."""

    def __call__(self, image):
        return torch.tensor([random.random(), np.random.rand(), torch.rand(()).item()])


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp('patches')
    rng = np.random.default_rng(0)
    files = [f's{i % 4}_{i}.png' for i in range(12)]
    for file in files:
        pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / file)
    labels = [i % 2 for i in range(12)]
    return PatchTable(files, labels, [f's{i % 4}' for i in range(12)], ('a', 'b'), root)


def test_an_item_is_image_label_and_row(table):
    item = PatchDataset(table, PatchTransform(ResizePatch(12)))[3]
    assert set(item) == {'image', 'label', 'index'}
    assert (item['label'], item['index']) == (1, 3)
    expected = np.asarray(Image.open(table.path(3))).transpose(2, 0, 1)
    assert np.array_equal(item['image'].numpy(), expected)


def test_a_draw_decides_its_randomness_alone(table):
    dataset = PatchDataset(table, Noise(), seed=5)
    first = dataset[Draw(2, 40)]['image']
    torch.manual_seed(123)
    dataset[Draw(0, 0)]
    assert torch.equal(dataset[Draw(2, 40)]['image'], first)
    assert not torch.equal(dataset[Draw(2, 41)]['image'], first)
    assert not torch.equal(PatchDataset(table, Noise(), seed=6)[Draw(2, 40)]['image'], first)


def test_evaluation_repeats_and_leaves_the_generators_alone(table):
    dataset = PatchDataset(table, Noise())
    before = torch.get_rng_state()
    assert torch.equal(dataset[4]['image'], dataset[np.int64(4)]['image'])
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_do_not_depend_on_workers(table):
    augment = PatchTransform(ResizePatch(8), AugmentPatch(hue=0.1))
    dataset = PatchDataset(table, augment, seed=1)

    def batches(workers):
        sampler = TrainBatchSampler(table.labels, table.slides, 3, 1, 'class', num_iters=5)
        return list(DataLoader(dataset, batch_sampler=sampler, num_workers=workers))

    alone, shared = batches(0), batches(2)
    assert len(alone) == 5
    for one, other in zip(alone, shared, strict=True):
        assert one['image'].shape == (3, 3, 8, 8)
        for key in one:
            assert torch.equal(one[key], other[key])


def test_a_missing_file_is_named(table, tmp_path):
    gone = PatchTable(table.files, table.labels, table.slides, table.classes, tmp_path)
    with pytest.raises(DataError, match=r's0_0\.png'):
        PatchDataset(gone, Noise())[0]
