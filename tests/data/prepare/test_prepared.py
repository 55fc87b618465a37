from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.data import PatchTable, Split, few_shot_split, read_csv
from cite.data.manifests import parts_of
from cite.data.prepare.prepared import write_prepared
from cite.data.prepare.split_report import split_report
from cite.errors import DataError

NAMES = ('well', 'poor', 'other')


def make(counts, patches=3, order=None, patients=None):
    rows = [
        (f'{name}{slide}_{k}.jpg', label, f'{name}{slide}')
        for label, (name, count) in enumerate(zip(NAMES, counts, strict=False))
        for slide in range(count)
        for k in range(1 + (slide + patches) % patches)
    ]
    rows = rows if order is None else [rows[i] for i in order(len(rows))]
    files, labels, slides = zip(*rows, strict=True)
    owners = None if patients is None else [patients(slide) for slide in slides]
    return PatchTable(files, labels, slides, NAMES[: len(counts)], Path('/data'), owners, 'made')


def prepare(table, out, seed=0, shots=(1,), most=None, files=None):
    split = few_shot_split(table, [*shots, 'all'], 0.5, seed)
    parts = parts_of(table, split, most)
    write_prepared(out, split, parts, 'report\n', {'max_patches_per_slide': most}, files)
    return split, parts


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(2, 12), min_size=2, max_size=3),
    st.one_of(st.none(), st.integers(1, 3)),
    st.one_of(st.none(), st.integers(1, 3)),
    st.integers(0, 99),
    st.randoms(),
)
def test_any_balance_any_order_the_same_files_and_nothing_on_both_sides(
    tmp_path_factory, counts, most, per_patient, seed, shuffler
):
    def shuffled(n):
        order = list(range(n))
        shuffler.shuffle(order)
        return order

    def patient(slide):  # patients span the classes
        return f'p{int(slide.lstrip("abcdefghijklmnopqrstuvwxyz")) // per_patient}'

    owners = None if per_patient is None else patient
    folder = tmp_path_factory.mktemp('prepared')
    try:
        split, parts = prepare(make(counts, patients=owners), folder / 'a', seed, most=most)
    except DataError as error:
        assert owners is not None and 'patients, too few' in str(error)
        return
    prepare(make(counts, order=shuffled, patients=owners), folder / 'b', seed, most=most)
    assert contents(folder / 'a') == contents(folder / 'b')
    for column in ('slides', 'patients', 'files'):
        if getattr(parts['val'], column) is not None:
            held_out = set(getattr(parts['val'], column))
            assert not held_out & set(getattr(parts['train_all'], column))
    for name, count in zip(NAMES, counts, strict=False):
        sides = parts['val'].slides_of(name), parts['train_all'].slides_of(name)
        assert len(sides[0]) + len(sides[1]) == count and all(sides)
        assert parts['train_1'].slides_of(name) == split.train['1'][name]
        if owners is None:
            assert abs(len(sides[0]) - count / 2) <= 0.5
    if most is not None:
        assert np.unique(parts['train_all'].slides, return_counts=True)[1].max() <= most
    whole = make(counts, patients=owners)
    assert len(parts['val']) == np.isin(whole.slides, parts['val'].slides).sum()


def test_the_record_names_every_manifest_by_its_hash(tmp_path):
    split, parts = prepare(make([6, 6]), tmp_path, most=2, files={'dataset.py': 'classes = []\n'})
    record = json.loads((tmp_path / 'prepare.json').read_text())
    assert record['split_hash'] == split.hash == Split.load(tmp_path / 'split.json').hash
    assert record['options'] == {'max_patches_per_slide': 2}
    assert set(record['manifests']) == {f'{part}.csv' for part in parts}
    for name, digest in record['manifests'].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert (tmp_path / 'report.txt').read_text() == 'report\n'
    assert (tmp_path / 'dataset.py').is_file()


def test_a_cap_is_another_training_set_of_the_same_split(tmp_path):
    table = make([6, 6])
    whole, capped = tmp_path / 'whole', tmp_path / 'capped'
    assert prepare(table, whole)[0].hash == prepare(table, capped, most=1)[0].hash
    assert (whole / 'val.csv').read_bytes() == (capped / 'val.csv').read_bytes()
    assert len(read_csv(whole / 'train_all.csv')) > len(read_csv(capped / 'train_all.csv')) == 6


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'seed': 1}, r'another split .*seed 0.*seed 1'),
        ({'shots': (1, 2)}, r'another split .*shots 1, all.*shots 1, 2, all'),
        ({'most': 1}, r'other patches \(train_all\.csv differ\).*--max-patches-per-slide'),
        ({'table': make([6, 6], patches=2)}, 'patches came or went'),
    ],
)
def test_what_runs_refer_to_is_never_replaced(tmp_path, change, message):
    table = make([6, 6])
    prepare(table, tmp_path, seed=0, most=2)
    before = contents(tmp_path)
    asked = {'table': table, 'seed': 0, 'most': 2, **change}
    with pytest.raises(DataError, match=message):
        prepare(out=tmp_path, **asked)
    assert contents(tmp_path) == before
    prepare(table, tmp_path, seed=0, most=2)
    assert contents(tmp_path) == before


@pytest.mark.parametrize('name', ['val.csv', 'train_all.csv', 'report.txt', 'dataset.py'])
def test_what_people_made_is_never_replaced(tmp_path, name):
    (tmp_path / name).write_text('mine')
    with pytest.raises(DataError, match=rf'holds no split, but .*\({name}\).*--out'):
        prepare(make([6, 6]), tmp_path, files={'dataset.py': 'a = 1\n'})
    assert contents(tmp_path) == {name: b'mine'}


def test_what_broke_off_at_any_file_is_gone_on_with(tmp_path, monkeypatch):
    from cite.data.prepare import prepared

    write, left = prepared.write_text, 2

    def breaks(path, text):
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        write(path, text)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(prepared, 'write_text', breaks)
        prepare(make([6, 6]), tmp_path)
    assert len(contents(tmp_path)) == 3
    split, _ = prepare(make([6, 6]), tmp_path, seed=1)
    assert Split.load(tmp_path / 'split.json') == split


def test_what_broke_off_is_written_anew(tmp_path):
    prepare(make([6, 6]), tmp_path)
    (tmp_path / 'split.json').unlink()  # it is written last
    split, _ = prepare(make([6, 6]), tmp_path, seed=1)
    assert Split.load(tmp_path / 'split.json') == split


def test_the_report_counts_slides_and_patches_of_every_part():
    table = make([4, 4])
    split = few_shot_split(table, [1, 'all'], 0.5)
    shown = split_report(split, parts_of(table, split), 'by slide.', 5).splitlines()
    rows = {
        line.split()[0]: line.split('   ')[-1] for line in shown if line.startswith(('val', 'tr'))
    }
    sizes = np.unique(parts_of(table, split)['val'].slides, return_counts=True)[1]
    assert rows['val'] == f'{sizes.min()}, {np.median(sizes):g}, {sizes.max()}'
    assert list(rows) == ['val', 'train_1', 'train_all']
    assert f'4 / {len(parts_of(table, split)["val"])}' in next(
        r for r in shown if r.startswith('val')
    )
    assert 'at most 5 patches of each training slide' in '\n'.join(shown)
    assert shown[-1] == f'split {split.hash[:16]} (seed 0) by slide.'
