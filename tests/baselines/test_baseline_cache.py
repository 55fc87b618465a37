from __future__ import annotations

import logging
import os

import numpy as np
import pytest
from PIL import Image

from cite.baselines import colour
from cite.baselines.cache import cached_baseline
from cite.baselines.run import run_baseline
from cite.errors import DataError


@pytest.fixture
def tables(squares):
    return squares('train', [2, 2, 2]), squares('test', [1, 1, 1])


@pytest.fixture
def decoded(monkeypatch):
    """Files that were decoded since it was last emptied."""
    colour._histogram.cache_clear()  # of the process, by earlier tests
    found = []
    load = colour.load_rgb
    monkeypatch.setattr(colour, 'load_rgb', lambda path: found.append(path) or load(path))
    return found


def test_the_second_time_no_image_is_decoded(tables, decoded, own_cache, caplog):
    caplog.set_level(logging.INFO)
    first = cached_baseline('colour', *tables)
    assert len(decoded) == 18 and 'from the cache' not in caplog.text
    decoded.clear()
    second = cached_baseline('colour', *tables)
    assert decoded == []
    (path,) = (own_cache / 'baselines').iterdir()
    assert f'baseline colour: from the cache ({path})' in caplog.text
    for found in (first, second):
        wanted = run_baseline('colour', *tables)
        assert found.probabilities.tobytes() == wanted.probabilities.tobytes()
        assert (found.files, found.slides) == (wanted.files, wanted.slides)


def change(train, test, what):
    file = train.path(3)
    if what == 'size':
        times = file.stat().st_atime_ns, file.stat().st_mtime_ns
        file.write_bytes(file.read_bytes() + b'\0')
        os.utime(file, ns=times)
    elif what == 'time':
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    elif what == 'fewer':
        train = train.subset(range(11))
    elif what == 'order':
        test = test.subset([1, 0, 2, 3, 4, 5])
    elif what == 'labels':
        test = type(test)(test.files, test.labels[::-1], test.slides, test.classes, test.root)
    elif what == 'slides':
        test = type(test)(test.files, test.labels, test.files, test.classes, test.root)
    elif what == 'classes':
        train, test = (
            type(t)(t.files, t.labels, t.slides, ('a', 'b', 'c'), t.root) for t in (train, test)
        )
    elif what == 'swapped':
        train, test = test, train
    return train, test


@pytest.mark.parametrize(
    'what', ['size', 'time', 'fewer', 'order', 'labels', 'slides', 'classes', 'swapped']
)
def test_other_patches_are_another_question(what, tables, own_cache):
    cached_baseline('colour', *tables)
    tables = change(*tables, what)
    found = cached_baseline('colour', *tables)
    np.testing.assert_array_equal(
        found.probabilities, run_baseline('colour', *tables).probabilities
    )
    assert len(list((own_cache / 'baselines').iterdir())) == 2


def test_another_version_of_the_method_is_another_question(tables, decoded, monkeypatch):
    cached_baseline('colour', *tables)
    decoded.clear()
    colour._histogram.cache_clear()  # of this process
    monkeypatch.setattr('cite.baselines.colour.CACHE_VERSION', 99)
    cached_baseline('colour', *tables)
    assert len(decoded) == 18


def test_a_process_decodes_a_file_once_unless_it_changes(tables, decoded):
    train, _ = tables
    first = colour.histograms(train, progress=False)
    decoded.clear()
    assert (colour.histograms(train, progress=False) == first).all() and not decoded
    Image.new('RGB', (9, 9), 'black').save(train.path(0))
    assert (colour.histograms(train, progress=False)[0] != first[0]).any()
    assert decoded == [train.path(0)]


def test_what_is_quick_is_not_stored(tables, own_cache):
    cached_baseline('majority', *tables)
    assert not (own_cache / 'baselines').exists()


@pytest.mark.parametrize('content', ['half', 'shape', 'logits', 'none'])
def test_damaged_files_are_made_anew(tables, content, own_cache, caplog):
    from safetensors.numpy import save_file

    wanted = cached_baseline('colour', *tables).probabilities
    (path,) = (own_cache / 'baselines').iterdir()
    if content == 'half':
        path.write_bytes(path.read_bytes()[:50])
    elif content == 'shape':
        save_file({'probabilities': wanted[:2]}, path)
    elif content == 'logits':
        save_file({'probabilities': wanted * 9}, path)
    else:
        save_file({'other': wanted}, path)
    again = cached_baseline('colour', *tables)
    assert again.probabilities.tobytes() == wanted.tobytes()
    assert 'is damaged' in caplog.text
    caplog.clear()
    cached_baseline('colour', *tables)
    assert 'is damaged' not in caplog.text


def test_a_cache_that_cannot_be_written_costs_a_warning(tables, own_cache, caplog):
    (own_cache / 'baselines').write_text('a file where the folder should be')
    assert len(cached_baseline('colour', *tables)) == 6
    assert 'could not be cached' in caplog.text


def test_missing_patches_are_named(tables):
    tables[0].path(3).unlink()
    with pytest.raises(DataError, match=r'train/0_3\.png: No such file'):
        cached_baseline('colour', *tables)
