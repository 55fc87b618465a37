from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import cite.baselines
from cite.baselines import TITLES
from cite.baselines.run import get_method, run_baseline
from cite.errors import ConfigError, DataError


@pytest.mark.parametrize('kind', TITLES)
def test_predictions_are_about_the_test_patches(kind, squares):
    train, test = squares('train', [2, 2, 2]), squares('test', [1, 2, 1])
    found = run_baseline(kind, train, test)
    assert found.files == [str(test.path(row)) for row in range(len(test))]
    assert found.labels.tolist() == test.labels.tolist()
    assert (found.slides, found.classes) == (test.slides.tolist(), test.classes)
    assert found.patients is None
    patients = dataclasses.replace(test, patients=[f'p{slide}' for slide in test.slides])
    assert run_baseline(kind, train, patients).patients == patients.patients.tolist()


def test_what_cannot_be_compared_is_refused(squares):
    train, test = squares('train', [1, 1, 1]), squares('test', [1, 1, 1])
    other = dataclasses.replace(test, classes=('red', 'blue', 'green'))
    with pytest.raises(DataError, match=r"different classes: \['red', 'green', 'blue'\] in train"):
        run_baseline('majority', train, other)
    with pytest.raises(DataError, match='train: a baseline needs training patches, found none'):
        run_baseline('majority', train.subset([]), test)
    with pytest.raises(DataError, match='test: a baseline needs test patches, found none'):
        run_baseline('majority', train, test.subset([]))


def test_unknown_kinds_get_a_suggestion():
    with pytest.raises(ConfigError, match=r"'color'. Did you mean 'colour'\? Known: colour, maj"):
        get_method('color')


def test_the_table_names_what_is_there():
    folder = Path(cite.baselines.__file__).parent
    methods = {
        path.stem for path in folder.glob('*.py') if 'def probabilities(train' in path.read_text()
    }
    assert methods == set(TITLES)
    for kind in TITLES:
        json.dumps(get_method(kind).CACHE_VERSION)
