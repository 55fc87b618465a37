from __future__ import annotations

import logging
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shard_set import number_of, picture, shard_set, tensor, write_tar
from torch.utils.data import DataLoader

from cite.data import ShardDataset, caption_group, shards
from cite.data.shard_files import read_shard
from cite.errors import ConfigError, DataError

SIZES = (7, 1, 12, 5)
TOTAL = sum(SIZES)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('shards')
    shard_set(path, SIZES)
    return path


def numbers(dataset, workers=0):
    """Numbers of the pairs, batch by batch, as a loader gives them."""
    loader = DataLoader(dataset, dataset.batch_size, num_workers=workers)
    return [[number_of(image) for image in batch['image']] for batch in loader]


def flat(batches):
    return [number for batch in batches for number in batch]


def test_a_pair_out_of_a_shard(folder):
    item = list(ShardDataset(folder, tensor, buffer=0))[8]
    assert number_of(item['image']) == 8 and item['image'].dtype == torch.uint8
    assert (item['caption'], item['index']) == ('Text 2.', 8)
    assert item['key'] == 'pairs-000002.tar/0008' and item['group'] == caption_group('text 2')


def test_without_a_buffer_shards_are_read_in_order(folder):
    assert flat(numbers(ShardDataset(folder, tensor, buffer=0))) == list(range(TOTAL))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    buffer=st.integers(0, 30),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
)
def test_all_ranks_together_have_everything_once(folder, seed, buffer, batch_size, world_size):
    def rank(number, size, batch):
        return numbers(ShardDataset(folder, tensor, seed, buffer, batch, 2, number, size))

    each = [rank(number, world_size, batch_size) for number in range(world_size)]
    assert sorted(n for batches in each for n in flat(batches)) == sorted([*range(TOTAL)] * 2)
    # a batch over all ranks is the same as one of a single process
    together = rank(0, 1, batch_size * world_size)
    for i, batch in enumerate(together):
        assert flat([batches[i] for batches in each if i < len(batches)]) == batch


@pytest.mark.parametrize('workers', [1, 2])
def test_batches_do_not_depend_on_workers(folder, workers):
    for rank in (0, 1):
        dataset = ShardDataset(folder, tensor, 3, 6, 2, epochs=2, rank=rank, world_size=2)
        assert numbers(dataset, workers) == numbers(dataset)


def test_the_seed_alone_decides_the_order(folder):
    def order(seed, **options):
        return flat(numbers(ShardDataset(folder, tensor, seed, **options)))

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    first = order(5, epochs=2)
    random.seed(2), np.random.seed(2), torch.manual_seed(2)
    assert order(5, epochs=2) == first
    assert order(6, epochs=2) != first
    assert first[:TOTAL] != first[TOTAL:] != sorted(first[TOTAL:])
    paths = sorted(folder.glob('*.tar'))
    assert flat(numbers(ShardDataset(paths[::-1], tensor, 5, epochs=2))) == first
    assert order(5, buffer=2) != order(5, buffer=TOTAL)


@settings(max_examples=15, deadline=None)
@given(done=st.integers(0, 3 * TOTAL // 6 - 1), buffer=st.sampled_from([0, 4, 100]))
def test_a_resumed_run_goes_on_where_it_stopped(folder, done, buffer):
    def batches(start, rank):
        dataset = ShardDataset(folder, tensor, 1, buffer, 3, 3, rank, 2)
        dataset.set_start(*start)
        return numbers(dataset)

    samples = done * 6
    for rank in (0, 1):
        rest = batches((0, 0), rank)[done:]
        assert batches((0, samples), rank) == rest
        assert batches(divmod(samples, TOTAL), rank) == rest


def test_endless_passes_over_epochs_that_are_done(folder):
    dataset = ShardDataset(folder, tensor, epochs=None)
    dataset.set_start(0, 1000 * TOTAL)
    other = ShardDataset(folder, tensor, epochs=None)
    other.set_start(1000, 0)
    stream, expected = iter(dataset), iter(other)
    for _ in range(2 * TOTAL):
        assert next(stream)['key'] == next(expected)['key']


def test_headers_are_read_once(folder, monkeypatch):
    read = []
    monkeypatch.setattr(shards, 'read_shard', lambda path: read.append(path) or read_shard(path))
    dataset = ShardDataset(folder, tensor, epochs=3)
    assert len(numbers(dataset)) == 3 * TOTAL
    assert sorted(read) == sorted(folder.glob('*.tar'))
    monkeypatch.setattr(shards, '_MOST_KNOWN', 0)
    dataset = ShardDataset(folder, tensor, epochs=None)
    dataset.set_start(0, 1000 * TOTAL + 1)  # the first epoch counts, the others need not be read
    assert next(iter(dataset))['index'] == 1
    assert len(read) == 3 * len(SIZES)


def test_augmentation_belongs_to_seed_epoch_and_sample(folder):
    def draws(**options):
        dataset = ShardDataset(folder, lambda image: torch.rand(()).item(), **options)
        return {(i // TOTAL, item['key']): item['image'] for i, item in enumerate(dataset)}

    first = draws(epochs=2, buffer=3)
    torch.manual_seed(1)
    assert draws(epochs=2) == first  # in another order
    assert len(set(first.values())) == 2 * TOTAL
    assert draws(epochs=2, seed=1) != first


def test_bad_samples_are_skipped_counted_and_named(tmp_path, caplog):
    members = {f'{i}.png': picture(i) for i in range(9)} | {f'{i}.txt': 'text' for i in range(9)}
    members |= {'0.png': picture(0)[:45], '1.png': b'', '2.txt': ' . ', '3.txt': b'\xff'}
    del members['4.txt'], members['5.txt'], members['6.txt']
    members |= {'5.json': '{"text": 1}', '6.json': '[' * 100_000}
    write_tar(tmp_path / 's.tar', members)
    dataset = ShardDataset(tmp_path, tensor, buffer=0)
    with caplog.at_level(logging.WARNING):
        assert [item['key'] for item in dataset] == ['s.tar/7', 's.tar/8']
    assert len(dataset.skipped) == 7
    assert '7 samples skipped: s.tar/4 (no caption), s.tar/0 (damaged' in caplog.text
    assert '(7 in all)' in caplog.text


def test_huge_pictures_are_skipped(folder, monkeypatch):
    monkeypatch.setattr('cite.data.shard_pairs.MAX_PIXELS', 15)
    dataset = ShardDataset(folder, tensor)
    assert list(dataset) == [] and '4 x 4 pixels' in dataset.skipped[0]


def test_json_captions_and_masking(tmp_path):
    caption = 'Ducts. Well differentiated adenocarcinoma.'
    write_tar(tmp_path / 's.tar', {'a.png': picture(1), 'a.json': {'caption': caption}})
    assert next(iter(ShardDataset(tmp_path, tensor)))['caption'] == caption
    masked = next(iter(ShardDataset(tmp_path, tensor, mask_grades=True)))
    assert masked['caption'] == 'Ducts. [MASK] adenocarcinoma.'
    assert masked['group'] == caption_group(masked['caption']) != caption_group(caption)


def test_held_out_pairs_are_for_evaluation(tmp_path):
    about = {'caption': 'x', 'part': 'val'}
    write_tar(tmp_path / 's.tar', {'a.png': picture(1), 'a.json': about})
    with pytest.raises(DataError, match=r's\.tar: holds pairs that are held out.*held_out=True'):
        next(iter(ShardDataset(tmp_path, tensor)))
    assert len(list(ShardDataset(tmp_path, tensor, held_out=True))) == 1


def test_shards_without_pairs_and_truncated_ones(tmp_path, folder):
    write_tar(tmp_path / 's.tar', {'a.cls': b'1'})
    with pytest.raises(DataError, match='no pairs'):
        list(ShardDataset(tmp_path, tensor, epochs=None))
    whole = (folder / 'pairs-000000.tar').read_bytes()
    (tmp_path / 't.tar').write_bytes(whole[:5000])
    with pytest.raises(DataError, match=r't\.tar: truncated'):
        list(ShardDataset(tmp_path, tensor))


@pytest.mark.parametrize(
    'setting', [{'batch_size': 0}, {'buffer': -1}, {'epochs': 0}, {'rank': 1}, {'world_size': 0}]
)
def test_settings_out_of_range(folder, setting):
    with pytest.raises(ConfigError):
        ShardDataset(folder, tensor, **setting)
    with pytest.raises(ConfigError):
        ShardDataset(folder, tensor).set_start(0, -1)
