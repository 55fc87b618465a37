from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from cite.data import (
    AugmentPatch,
    Draw,
    PairDataset,
    PairTable,
    PatchDataset,
    PatchTransform,
    caption_group,
)
from cite.data.captions import sample_sentences
from cite.images import ResizePatch


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp('patches')
    rng = np.random.default_rng(0)
    files = [f's{i % 2}_{i}.png' for i in range(6)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(root / file)
    return PairTable(files, [f'Text {i % 3}.' for i in range(6)], [f[:2] for f in files], root)


def test_a_pair_is_image_caption_group_and_row(table):
    item = PairDataset(table, PatchTransform(ResizePatch(12)))[4]
    assert (item['caption'], item['group'], item['index']) == ('Text 1.', 1, 4)
    assert item['image'].dtype == torch.uint8 and item['image'].shape == (3, 12, 12)
    expected = np.asarray(Image.open(table.path(4))).transpose(2, 0, 1)
    assert np.array_equal(item['image'].numpy(), expected)


def test_augmentation_is_that_of_patches(table):
    augment = PatchTransform(ResizePatch(8), AugmentPatch())
    pairs, patches = PairDataset(table, augment, 3), PatchDataset(table.patches(), augment, 3)
    for key in (Draw(2, 7), Draw(2, 8), 5):
        assert torch.equal(pairs[key]['image'], patches[key]['image'])
    assert not torch.equal(pairs[Draw(2, 7)]['image'], pairs[Draw(2, 8)]['image'])


def test_it_is_collated(table):
    batch = next(iter(DataLoader(PairDataset(table, PatchTransform(ResizePatch(8))), 4)))
    assert batch['caption'] == ['Text 0.', 'Text 1.', 'Text 2.', 'Text 0.']
    assert batch['group'].tolist() == [0, 1, 2, 0] and batch['image'].shape == (4, 3, 8, 8)


def reworded(table, seed=0):
    captions = ['One. Two. Three.', 'Four.', 'Two. One. Three.'] * 2
    table = PairTable(table.files, captions, table.slides, table.root)
    return PairDataset(table, PatchTransform(ResizePatch(8)), seed, sample_sentences)


def test_captions_are_drawn_by_seed_and_draw(table):
    pairs = reworded(table)
    drawn = [pairs[Draw(0, number)]['caption'] for number in range(20)]
    assert drawn == [reworded(table)[Draw(0, number)]['caption'] for number in range(20)]
    assert len(set(drawn)) > 5
    assert drawn != [reworded(table, 1)[Draw(0, number)]['caption'] for number in range(20)]
    assert pairs[0]['caption'] == pairs[0]['caption']  # a plain row always has the same
    assert {pairs[Draw(1, number)]['caption'] for number in range(5)} == {'Four.'}


def test_a_pair_has_the_numbers_of_its_whole_caption_and_of_the_drawn_one(table):
    """Parts of one caption go together, and so do captions of which the same part was drawn."""
    pairs = reworded(table)
    items = [pairs[Draw(row, number)] for row in (0, 2) for number in range(60)]
    assert all(item['drawn'] == caption_group(item['caption']) for item in items)
    numbers = pairs.table.groups
    assert [item['group'] for item in items] == [numbers[0]] * 60 + [numbers[2]] * 60
    assert numbers[0] != numbers[2]
    halves = [{item['drawn'] for item in half} for half in (items[:60], items[60:])]
    assert halves[0] & halves[1]
    plain = PairDataset(table, PatchTransform(ResizePatch(8)))[1]
    assert plain['drawn'] == plain['group']


def test_captions_draw_nothing_from_what_the_image_draws(table):
    augment = PatchTransform(ResizePatch(8), AugmentPatch())
    plain, drawn = PairDataset(table, augment), PairDataset(table, augment, reword=sample_sentences)
    assert torch.equal(plain[Draw(2, 7)]['image'], drawn[Draw(2, 7)]['image'])
