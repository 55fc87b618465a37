"""Segments on disk: found, shared, torn, cleaned away."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from tiny_models import tiny_tower

from cite.prefix.bank import Bank, unique
from cite.prefix.question import ask


@pytest.fixture
def bank():
    found = Bank(ask(tiny_tower(), [], 'fp32'))
    found.open()
    return found


def names(*numbers):
    return [bytes([number]) * 32 for number in numbers]


def test_rows_are_found_in_whatever_segment_they_lie(bank):
    first, second = torch.randn(3, 2, 4), torch.randn(2, 2, 4)
    bank.write(names(1, 2, 3), first)
    bank.write(names(4, 5), second)
    places = bank.find(names(5, 1, 9, 3, 5))
    assert places.missing.tolist() == [2]
    for position, wanted in ((0, second[1]), (1, first[0]), (3, first[2]), (4, second[1])):
        assert torch.equal(places.values[places.segment[position]][places.row[position]], wanted)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_every_format_comes_back_as_it_went(bank, dtype):
    values = torch.randn(3, 5).to(dtype)
    bank.write(names(1, 2, 3), values)
    found = bank.find(names(1, 2, 3)).values[0]
    assert found.dtype == dtype
    assert torch.equal(found, values)


def test_a_segment_without_its_names_does_not_count_and_is_swept(bank):
    bank.write(names(1), torch.ones(1, 2))
    (bank.folder / 'dead.values.npy').write_bytes(b'half')
    (bank.folder / '.dead.tmp').write_bytes(b'half')
    for name in ('dead.values.npy', '.dead.tmp'):
        os.utime(bank.folder / name, (1, 1))
    (bank.folder / 'alive.values.npy').write_bytes(b'half, and being written')
    assert bank.find(names(1)).missing.size == 0
    bank.sweep()
    left = sorted(path.name.partition('.')[2] for path in bank.folder.iterdir())
    assert left == ['json', 'names.npy', 'values.npy', 'values.npy']
    assert bank.find(names(1)).missing.size == 0


@pytest.mark.parametrize('suffix', ['.values.npy', '.names.npy'])
def test_a_torn_segment_is_missing_and_never_read(bank, suffix):
    bank.write(names(1, 2), torch.ones(2, 300))
    path = next(bank.folder.glob(f'*{suffix}'))
    os.truncate(path, path.stat().st_size - 40)
    assert bank.find(names(1, 2)).missing.tolist() == [0, 1]


def test_a_pickle_is_not_opened(bank):
    bank.write(names(1), torch.ones(1, 2))
    path = next(bank.folder.glob('*.values.npy'))
    np.save(path, np.array([{'a': 1}], dtype=object), allow_pickle=True)
    assert bank.find(names(1)).missing.tolist() == [0]


def test_nothing_stays_of_a_segment_that_could_not_be_written(bank, monkeypatch):
    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        bank.write(names(1), torch.ones(1, 2))
    assert [path.name for path in bank.folder.iterdir()] == ['question.json']


def test_use_is_noted_so_that_the_least_used_goes_first(bank):
    bank.write(names(1), torch.ones(1, 2))
    bank.write(names(2), torch.ones(1, 2))
    for path in bank.folder.glob('*.npy'):
        os.utime(path, (1, 1))
    bank.find(names(2))
    used = [path for path in bank.folder.glob('*.values.npy') if path.stat().st_mtime > 1]
    assert len(used) == 1
    assert len(list(bank.folder.glob('*.values.npy'))) == 2


def test_copies_are_computed_once():
    assert unique(names(3, 1, 3, 2, 1), [0, 1, 2, 3, 4]) == [0, 1, 3]
    assert unique(names(3, 1, 3), []) == []
