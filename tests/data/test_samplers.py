from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.data import PatchTable, TrainBatchSampler
from cite.data.samplers import PermutationStream
from cite.errors import ConfigError, DataError

SEEDS = st.integers(0, 2**40)
BALANCES = st.sampled_from(['none', 'class', 'slide'])
quick = settings(max_examples=30, deadline=None)


@st.composite
def patches(draw):
    """Labels and slides in random row order; some class numbers may be absent."""
    sizes = draw(
        st.dictionaries(
            st.integers(0, 5),
            st.lists(st.integers(1, 5), min_size=1, max_size=4),
            min_size=1,
            max_size=4,
        )
    )
    rows = [
        (label, f'{label}-{slide}')
        for label, slides in sizes.items()
        for slide, size in enumerate(slides)
        for _ in range(size)
    ]
    rows = draw(st.permutations(rows))
    return np.array([label for label, _ in rows]), np.array([slide for _, slide in rows])


def flat(batches):
    return [draw for batch in batches for draw in batch]


def indexes(sampler, draws):
    size = sampler.batch_size * sampler.world_size
    return [draw.index for draw in islice(flat(islice(sampler, -(-draws // size))), draws)]


@quick
@given(patches(), SEEDS, st.integers(1, 7))
def test_none_shows_every_patch_once_per_epoch(data, seed, batch_size):
    n = len(data[0])
    seen = indexes(TrainBatchSampler(*data, batch_size, seed), 3 * n)
    for epoch in range(3):
        assert sorted(seen[epoch * n : (epoch + 1) * n]) == list(range(n))


@quick
@given(patches(), SEEDS, st.integers(1, 7), st.sampled_from(['class', 'slide']))
def test_every_cycle_holds_each_class_once(data, seed, batch_size, balance):
    labels = data[0]
    classes = sorted(set(labels.tolist()))
    seen = indexes(TrainBatchSampler(*data, batch_size, seed, balance), 12 * len(classes))
    for cycle in range(12):
        of_cycle = labels[seen[cycle * len(classes) : (cycle + 1) * len(classes)]]
        assert sorted(of_cycle.tolist()) == classes


@quick
@given(patches(), SEEDS)
def test_class_goes_through_each_class_patch_by_patch(data, seed):
    labels = data[0]
    sampler = TrainBatchSampler(*data, 4, seed, 'class')
    n_classes = len(set(labels.tolist()))
    for label in set(labels.tolist()):
        members = np.flatnonzero(labels == label)
        draws = indexes(sampler, 2 * len(members) * n_classes)
        own = [index for index in draws if labels[index] == label]
        assert sorted(own[: len(members)]) == members.tolist()
        assert sorted(own[len(members) :]) == members.tolist()


@quick
@given(patches(), SEEDS)
def test_slide_goes_through_slides_and_through_each_slides_patches(data, seed):
    labels, slides = data
    sampler = TrainBatchSampler(*data, 4, seed, 'slide')
    n_classes = len(set(labels.tolist()))
    for label in set(labels.tolist()):
        own_slides = sorted(set(slides[labels == label].tolist()))
        largest = max(Counter(slides[labels == label].tolist()).values())
        draws = indexes(sampler, n_classes * len(own_slides) * largest)
        own = [index for index in draws if labels[index] == label]
        for cycle in range(largest):
            part = own[cycle * len(own_slides) : (cycle + 1) * len(own_slides)]
            assert sorted(slides[part].tolist()) == own_slides
        for slide in own_slides:
            members = np.flatnonzero(slides == slide)
            seen = [index for index in own if slides[index] == slide]
            assert sorted(seen[: len(members)]) == members.tolist()


@quick
@given(patches(), SEEDS, BALANCES, st.integers(1, 5), st.integers(0, 30))
def test_resuming_goes_on_where_an_uninterrupted_run_would(data, seed, balance, batch_size, start):
    whole = list(TrainBatchSampler(*data, batch_size, seed, balance, num_iters=start + 4))
    resumed = TrainBatchSampler(
        *data, batch_size, seed, balance, start_iter=start, num_iters=start + 4
    )
    assert len(resumed) == 4
    assert list(resumed) == whole[start:]
    later = TrainBatchSampler(*data, batch_size, seed, balance, num_iters=start + 4)
    list(islice(later, 2))
    later.set_start(start)
    assert list(later) == whole[start:]


@quick
@given(patches(), SEEDS, BALANCES, st.integers(1, 4), st.integers(1, 4))
def test_ranks_together_are_one_process_with_a_larger_batch(data, seed, balance, size, world):
    alone = TrainBatchSampler(*data, size * world, seed, balance, num_iters=5)
    ranks = [
        TrainBatchSampler(*data, size, seed, balance, rank, world, num_iters=5)
        for rank in range(world)
    ]
    together = [flat(slices) for slices in zip(*ranks, strict=True)]
    assert together == list(alone)
    assert [draw.number for draw in flat(alone)] == list(range(5 * size * world))


@quick
@given(patches(), SEEDS, BALANCES, st.randoms())
def test_a_sorted_table_gives_the_same_files_for_any_row_order(data, seed, balance, shuffler):
    labels, slides = data
    files = np.array([f'{i:03}.jpg' for i in range(len(labels))])
    table = PatchTable(files, labels, slides, tuple('abcdef'), Path())
    order = list(range(len(table)))
    shuffler.shuffle(order)

    def drawn(table):
        sampler = TrainBatchSampler(table.labels, table.slides, 3, seed, balance, num_iters=6)
        return table.files[[draw.index for draw in flat(sampler)]].tolist()

    assert drawn(table.subset(order).sorted()) == drawn(table)


def test_seeds_and_epochs_differ():
    labels, slides = np.zeros(50, int), np.full(50, 's')
    first, second = (TrainBatchSampler(labels, slides, 50, seed, num_iters=2) for seed in (0, 1))
    epochs = [[draw.index for draw in batch] for batch in (*first, *second)]
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_sequence_of_a_seed_stays():
    """Recorded: a change would silently change every training run."""
    labels, slides = [0, 0, 0, 1, 1, 1], ['a', 'a', 'b', 'c', 'd', 'd']
    drawn = {
        balance: indexes(TrainBatchSampler(labels, slides, 2, 7, balance), 8)
        for balance in ('none', 'class', 'slide')
    }
    assert drawn == {
        'none': [3, 0, 2, 1, 4, 5, 4, 1],
        'class': [3, 0, 1, 5, 2, 4, 0, 3],
        'slide': [3, 2, 1, 5, 0, 3, 2, 4],
    }


def test_streams_can_be_read_in_any_order():
    stream = PermutationStream(3, (1,), 5)
    forward = [stream[t] for t in range(20)]
    assert [stream[t] for t in reversed(range(20))] == forward[::-1]
    assert [PermutationStream(3, (2,), 5)[t] for t in range(20)] != forward


def test_an_endless_sampler_has_no_length():
    with pytest.raises(TypeError):
        len(TrainBatchSampler([0], ['s'], 1, 0))


@pytest.mark.parametrize(
    'changes',
    [
        dict(batch_size=0),
        dict(balance='patient'),
        dict(rank=2, world_size=2),
        dict(start_iter=-1),
        dict(num_iters=-1),
    ],
)
def test_settings_out_of_range_are_refused(changes):
    with pytest.raises(ConfigError):
        TrainBatchSampler(**{**dict(labels=[0], slides=['s'], batch_size=1, seed=0), **changes})


def test_no_patches_are_refused():
    with pytest.raises(DataError, match='no patches'):
        TrainBatchSampler([], [], 1, 0)
