from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cite.errors import ConfigError, DataError
from cite.evaluation.aggregation import AGGREGATIONS, aggregate
from cite.evaluation.predictions import Predictions

CLASSES = ('well', 'moderate', 'poor | other')


def make(**changes) -> Predictions:
    fields = {
        'files': ['b/2.png', 'b/1.png', 'a/1.png', 'c/1.png'],
        'labels': np.array([1, 1, 0, 2]),
        'probabilities': np.array(
            [[0.2, 0.6, 0.2], [0.7, 0.1, 0.2], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
        ),
        'slides': ['b', 'b', 'a', 'c'],
        'classes': CLASSES,
        'patients': ['p1', 'p1', 'p1', 'p2'],
    }
    return Predictions(**(fields | changes))


def test_predicted_is_the_first_most_probable_class():
    assert make().predicted.tolist() == [1, 0, 0, 2]


def test_parquet_round_trip_keeps_everything(tmp_path):
    folder = tmp_path / 'k=4'  # must not become a column
    folder.mkdir()
    made = make()
    made.to_parquet(folder / 'predictions.parquet')
    read = Predictions.from_parquet(folder / 'predictions.parquet')
    assert (read.files, read.slides, read.patients) == (made.files, made.slides, made.patients)
    assert read.classes == CLASSES
    assert read.labels.dtype == np.int64
    np.testing.assert_array_equal(read.labels, made.labels)
    assert read.probabilities.dtype == np.float32
    np.testing.assert_array_equal(read.probabilities, made.probabilities)
    assert [path.name for path in folder.iterdir()] == ['predictions.parquet']  # no temporary file


def test_columns_are_what_readers_of_the_file_expect(tmp_path):
    make(patients=None).to_parquet(tmp_path / 'p.parquet')
    table = pq.read_table(tmp_path / 'p.parquet')
    names = ['file', 'label', 'slide', 'pred', 'p_well', 'p_moderate', 'p_poor | other']
    assert table.column_names == names
    assert table.column('pred').to_pylist() == [1, 0, 0, 2]
    assert Predictions.from_parquet(tmp_path / 'p.parquet').patients is None


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'p.parquet'
    make().to_parquet(path)
    before = path.read_bytes()

    def fail(table, where):
        where.write_bytes(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(pq, 'write_table', fail)
    with pytest.raises(OSError, match='disk full'):
        make(patients=None).to_parquet(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_from_parquet_names_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match='no such file'):
        Predictions.from_parquet(tmp_path / 'none.parquet')
    (tmp_path / 'text.parquet').write_text('hello')
    with pytest.raises(DataError, match=r'text\.parquet: not a predictions file'):
        Predictions.from_parquet(tmp_path / 'text.parquet')
    pq.write_table(pa.table({'file': ['a'], 'label': [0]}), tmp_path / 'other.parquet')
    with pytest.raises(DataError, match='class names were expected'):
        Predictions.from_parquet(tmp_path / 'other.parquet')


def test_by_slide_averages_patches_and_sorts_slides():
    slides = make().by_slide()
    assert slides.files == slides.slides == ['a', 'b', 'c']
    assert slides.labels.tolist() == [0, 1, 2]
    assert slides.patients == ['p1', 'p1', 'p2']
    expected = [[0.5, 0.5, 0.0], [0.45, 0.35, 0.2], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(slides.probabilities, expected, atol=1e-7)


def test_by_slide_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    n = 200
    probabilities = rng.dirichlet(np.ones(3), n).astype(np.float32)
    slides = rng.integers(0, 7, n)

    def build(order):
        return Predictions(
            files=[f'{i}.png' for i in order],
            labels=slides[order] % 3,
            probabilities=probabilities[order],
            slides=[f's{slides[i]}' for i in order],
            classes=CLASSES,
        ).by_slide()

    first, second = build(np.arange(n)), build(rng.permutation(n))
    assert first.slides == second.slides
    np.testing.assert_array_equal(first.probabilities, second.probabilities)  # to the last bit


def test_by_slide_takes_other_ways_than_the_mean():
    for how in AGGREGATIONS:
        rows = aggregate(make().probabilities, np.array([1, 1, 0, 2]), how, 1)
        found = make().by_slide(how, top_k=1)
        assert found.slides == ['a', 'b', 'c']
        np.testing.assert_array_equal(found.probabilities, rows.astype(np.float32))
    for how, k in (('vote', 10), ('mean', 0)):
        with pytest.raises(ConfigError):
            make().by_slide(how, k)


def test_rows_of_one_name_have_no_order_either():
    order = np.array([1, 0, 2, 3])
    p = make().probabilities
    first = make(files=['x', 'x', 'y', 'z']).by_slide()
    second = make(files=['x', 'x', 'y', 'z'], probabilities=p[order]).by_slide()
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def patients(**changes):
    """Patient p of slides a (3 patches) and b (1), patient q of slide c."""
    fields = {
        'files': ['1', '2', '3', '4', '5'],
        'labels': np.array([0, 0, 0, 0, 2]),
        'probabilities': np.array(
            [[0.2, 0.6, 0.2]] * 3 + [[0.8, 0.0, 0.2]] + [[0.1, 0.2, 0.7]],
        ),
        'slides': ['a', 'a', 'a', 'b', 'c'],
        'patients': ['p', 'p', 'p', 'p', 'q'],
    }
    return make(**(fields | changes))


def test_a_patient_is_the_mean_of_its_slides_not_of_its_patches():
    found = patients().by_patient()
    assert found.files == found.slides == found.patients == ['p', 'q']
    assert found.labels.tolist() == [0, 2]
    np.testing.assert_allclose(found.probabilities, [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], atol=1e-7)
    most = patients().by_patient('topk', 1)
    assert most.patients == ['p', 'q']
    np.testing.assert_array_equal(
        patients().by_slide('max').by_patient().probabilities,
        patients().by_patient('max').probabilities,
    )


def test_patients_of_several_labels_have_no_patient_level():
    assert patients().has_patient_level and not make(patients=None).has_patient_level
    mixed = patients(labels=np.array([0, 0, 0, 1, 2]))
    assert not mixed.has_patient_level and not mixed.by_slide().has_patient_level
    assert mixed.patients_of_several_labels() == ['p']
    with pytest.raises(DataError, match=r'one label per patient; 1 of 2 .* first: p\.'):
        mixed.by_patient()
    with pytest.raises(DataError, match='have none'):
        make(patients=None).by_patient()


@pytest.mark.parametrize('column', ['labels', 'patients'])
def test_a_slide_with_two_labels_or_patients_is_named(column):
    values = {'labels': np.array([1, 2, 0, 2]), 'patients': ['p1', 'p2', 'p1', 'p2']}
    with pytest.raises(DataError, match=rf'1 of 3 slides .* different {column}, first: b'):
        make(**{column: values[column]}).by_slide()


def test_bad_rows_are_counted_and_the_first_five_named():
    n = 8
    probabilities = np.full((n, 3), 1 / 3)
    probabilities[1:8, 1] = np.nan
    with pytest.raises(DataError) as caught:
        Predictions(
            files=[f'f{i}' for i in range(n)],
            labels=np.zeros(n, int),
            probabilities=probabilities,
            slides=['s'] * n,
            classes=CLASSES,
        )
    assert '7 of 8 samples have probabilities that are not finite' in str(caught.value)
    assert 'f1, f2, f3, f4, f5.' in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'files': ['a']}, '4 labels but 1 files'),
        ({'slides': ['a']}, '4 labels but 1 slides'),
        ({'patients': ['a']}, '4 labels but 1 patients'),
        ({'probabilities': np.full((4, 2), 0.5)}, r'\(4, 3\), found \(4, 2\)'),
        ({'labels': np.array([0, 1, 3, -1])}, r'label outside 0\.\.2, first: a/1\.png, c/1\.png'),
        ({'labels': np.array([0.0, 1.0, 1.0, 0.0])}, 'integers'),
        ({'labels': np.array([], int)}, 'one label per sample'),
        ({'classes': ('a', 'b', 'b')}, 'distinct'),
        ({'probabilities': np.eye(3)[[0, 1, 2, 0]] * 4}, 'do not sum to 1'),
        ({'probabilities': np.array([[1.5, -0.5, 0.0]] * 4)}, 'do not sum to 1'),
    ],
)
def test_invalid_predictions_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        make(**changes)
