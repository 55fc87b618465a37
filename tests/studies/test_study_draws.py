import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cite.data import read_csv
from cite.data.table import PatchTable
from cite.errors import DataError
from cite.studies.draws import draw_slides, write_manifest


def pool(slides_per_class, patches=2, patients=False):
    names = [f'{c}{i}' for c, n in enumerate(slides_per_class) for i in range(n)]
    labels = [c for c, n in enumerate(slides_per_class) for _ in range(n)]
    return PatchTable(
        files=np.array([f'x/{s}_{p}.png' for s in names for p in range(patches)]),
        labels=np.repeat(labels, patches),
        slides=np.repeat(names, patches),
        classes=tuple(f'class {c}' for c in range(len(slides_per_class))),
        root='.',
        patients=np.repeat([f'p{name}' for name in names], patches) if patients else None,
    )


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(1, 9), st.integers(0, 1000))
def test_a_draw_is_k_whole_slides_of_every_class(counts, shots, seed):
    table = pool(counts)
    if shots > min(counts):
        with pytest.raises(DataError, match=f'{shots} shots need'):
            draw_slides(table, str(shots), seed)
        return
    draw = draw_slides(table, str(shots), seed)
    for number in range(len(counts)):
        assert len(draw.table.slides_of(number)) == shots
    assert len(draw.table) == 2 * shots * len(counts)
    assert (
        draw_slides(table.subset(np.arange(len(table))[::-1]), str(shots), seed).hash == draw.hash
    )


@given(st.integers(0, 1000))
def test_fewer_shots_are_among_more(seed):
    table = pool([8, 9, 10])
    drawn = [set(draw_slides(table, k, seed).table.slides) for k in ('1', '2', '4', '8')]
    assert all(few < more for few, more in itertools.pairwise(drawn))
    assert set(draw_slides(table, 'all', seed).table.slides) == set(table.slides)


def test_seeds_draw_differently_and_classes_apart():
    table = pool([20, 20])
    hashes = {draw_slides(table, '4', seed).hash for seed in range(20)}
    assert len(hashes) == 20
    fewer = pool([20, 10])
    first = [set(draw_slides(t, '4', 3).table.slides_of(0)) for t in (table, fewer)]
    assert first[0] == first[1]


@pytest.mark.parametrize('patients', [True, False])
def test_a_manifest_reads_as_the_table(patients, tmp_path):
    table = draw_slides(pool([3, 3], patients=patients), '2', 0).table
    path = write_manifest(table, tmp_path / 'train.csv')
    found = read_csv(path, classes=table.classes)
    assert path.is_absolute() and all(name.startswith('/') for name in found.files)
    assert found.labels.tolist() == table.labels.tolist()
    assert found.slides.tolist() == table.slides.tolist()
    assert (found.patients is None) is not patients
