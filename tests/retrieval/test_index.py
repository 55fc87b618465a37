from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
from retrieval_cases import clustered, nearest

from cite.errors import ConfigError, DataError
from cite.retrieval import build as building
from cite.retrieval import build_index, features_digest, load_index, save_index, units
from cite.retrieval.exact import ExactSearcher
from cite.retrieval.tune import tune

KINDS = ('flat', 'ivf', 'hnsw')


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param != 'flat':
        pytest.importorskip('faiss')
    return request.param


@pytest.fixture
def no_faiss(monkeypatch):
    plain = builtins.__import__

    def importing(name, *args, **kwargs):
        if name == 'faiss':
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', importing)


@pytest.mark.parametrize('block', [16, 700, 10**6])
def test_exact_search_is_sorting(monkeypatch, block):
    monkeypatch.setattr(units, 'BLOCK', block)
    features, queries = clustered(300), clustered(7, seed=4)
    scores, rows = build_index(features).search(queries, 9)
    expected, wanted = nearest(features, queries, 9)
    assert rows.tolist() == wanted.tolist()
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_equal_rows_come_in_their_order():
    features = np.tile(np.eye(4, dtype=np.float32), (50, 1))
    rows = build_index(features).search(np.eye(4)[:1], 5)[1]
    assert sorted(rows[0] % 4) == [0] * 5


def test_cosines_are_those_of_the_features(kind):
    features, queries = clustered(), clustered(20, seed=4)
    scores, rows = build_index(features, kind=kind).search(queries, 5)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    np.testing.assert_allclose(scores, np.einsum('qd,qkd->qk', asked, unit[rows]), atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize('target', [0.8, 0.99])
def test_the_recall_that_is_asked_for_is_reached_on_other_queries(target):
    pytest.importorskip('faiss')
    features, queries = clustered(4000, 32, 40), clustered(200, 32, 40)
    queries = features[:200] + np.random.default_rng(5).normal(0, 0.5, (200, 32))
    index = build_index(features, kind='ivf', target=target)
    found, wanted = index.search(queries, 10)[1], nearest(features, queries, 10)[1]
    recall = np.mean([len({*f} & {*w}) / 10 for f, w in zip(found, wanted, strict=True)])
    measured = index.record['measured']['own rows']
    assert measured['reached']
    assert measured['recall@10'] >= target
    assert recall > target - 0.04
    assert measured['effort'] == index.record['effort']


def test_a_higher_target_looks_at_more():
    pytest.importorskip('faiss')
    features = clustered(4000, 32, 40)
    low, high = (build_index(features, kind='ivf', target=t).record for t in (0.5, 1.0))
    assert low['effort'] < high['effort'] <= low['parameters']['lists']
    assert high['measured']['own rows']['recall@10'] == 1


def test_queries_of_another_kind_raise_the_effort():
    pytest.importorskip('faiss')
    features = clustered(4000, 32, 40)
    index = build_index(features, kind='ivf', target=0.7)
    texts = np.random.default_rng(6).normal(size=(100, 32)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    before = index.searcher.effort
    exact = ExactSearcher(features, np.linalg.norm(features, axis=1))
    measured = tune(index.searcher, exact, texts, target=0.95)
    assert index.searcher.effort == measured['effort'] > before
    found, wanted = index.search(texts, 10)[1], nearest(features, texts, 10)[1]
    assert np.mean([len({*f} & {*w}) for f, w in zip(found, wanted, strict=True)]) >= 9.5


def test_the_kind_follows_the_size(monkeypatch):
    pytest.importorskip('faiss')
    features = clustered(500)
    assert build_index(features).kind == 'flat'
    monkeypatch.setattr(building, 'FLAT', 500 * 16 - 1)
    record = build_index(features).record
    assert record['kind'] == 'ivf'
    assert 'more than' in record['why']
    assert record['parameters']['lists'] == 22
    assert record['versions']['faiss']


def test_lists_that_are_too_short_are_followed_by_more():
    pytest.importorskip('faiss')
    features = clustered(400)
    index = build_index(features, kind='ivf', lists=100, target=0.1)
    rows = index.search(features[:5], 200)[1]
    assert (rows >= 0).all()
    assert all(len(set(row)) == 200 for row in rows.tolist())


def test_k_beyond_the_rows_gives_all(kind):
    rows = build_index(clustered(30), kind=kind).search(clustered(3, seed=4), 100)[1]
    assert [sorted(row) for row in rows.tolist()] == [list(range(30))] * 3


@pytest.mark.parametrize('rows', [1, 2])
def test_few_rows_are_an_index(kind, rows):
    assert build_index(clustered(rows), kind=kind).search(clustered(1), 1)[1].shape == (1, 1)


def test_an_index_comes_back_from_its_folder(kind, tmp_path):
    features, queries = clustered(), clustered(20, seed=4)
    names = [f'patch, "{row}"\n' for row in range(len(features))]
    index = build_index(features, names, {'model': 'm'}, kind)
    save_index(index, tmp_path / 'index')
    again = load_index(tmp_path / 'index', features_digest(features, names, {'model': 'm'}))
    for left, right in zip(index.search(queries, 7), again.search(queries, 7), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)
    assert list(again.names) == names
    assert (again.kind, again.record['features']['record']) == (kind, {'model': 'm'})


def test_lists_of_a_loaded_index_stay_on_the_disk(tmp_path):
    faiss = pytest.importorskip('faiss')
    save_index(build_index(clustered(), kind='ivf'), tmp_path)
    index = load_index(tmp_path)  # holds what FAISS points to
    lists = faiss.downcast_InvertedLists(index.searcher.index.invlists)
    assert isinstance(lists, faiss.OnDiskInvertedLists)


def test_another_kind_replaces_the_file(tmp_path):
    pytest.importorskip('faiss')
    for kind in ('ivf', 'flat'):
        save_index(build_index(clustered(), kind=kind), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {'index.npy', 'index.csv', 'index.json'}


@pytest.mark.parametrize('what', ['record', 'names', 'row'])
def test_an_index_of_other_features_is_refused(tmp_path, what):
    features, names, record = clustered(), [f'{row}' for row in range(600)], {'question': 'a'}
    save_index(build_index(features, names, record), tmp_path)
    if what == 'record':
        record = {'question': 'b'}
    elif what == 'names':
        names = [*names[:-1], 'other']
    else:
        features = features + np.float32(1e-3)
    with pytest.raises(DataError, match='other features'):
        load_index(tmp_path, features_digest(features, names, record))


@pytest.mark.parametrize('damage', ['cut', 'grown', 'gone', 'exchanged', 'names', 'record', 'kind'])
def test_damage_is_found(kind, tmp_path, damage):
    save_index(build_index(clustered(), kind=kind), tmp_path)
    data = next(
        tmp_path / name for name in ('index.npy', 'index.faiss') if (tmp_path / name).exists()
    )
    record = json.loads((tmp_path / 'index.json').read_text())
    content = data.read_bytes()
    if damage == 'cut':
        data.write_bytes(content[:-9])
    elif damage == 'grown':
        data.write_bytes(content + b'0')
    elif damage == 'gone':
        data.unlink()
    elif damage == 'exchanged':
        data.write_bytes(b'x' * len(content))
    elif damage == 'names':
        lines = (tmp_path / 'index.csv').read_text().splitlines()
        (tmp_path / 'index.csv').write_text('\n'.join(lines[:-1]))
    elif damage == 'record':
        (tmp_path / 'index.json').write_text('{}')
    else:
        record['rows'] += 1
        (tmp_path / 'index.json').write_text(json.dumps(record))
    with pytest.raises(DataError, match='index'):
        load_index(tmp_path)


def test_an_index_of_another_metric_is_refused(tmp_path):
    faiss = pytest.importorskip('faiss')
    save_index(build_index(clustered(), kind='hnsw'), tmp_path)
    other = faiss.IndexHNSWFlat(16, 32, faiss.METRIC_L2)
    other.add(clustered())
    faiss.write_index(other, str(tmp_path / 'index.faiss'))
    record = json.loads((tmp_path / 'index.json').read_text())
    record['bytes'] = (tmp_path / 'index.faiss').stat().st_size
    (tmp_path / 'index.json').write_text(json.dumps(record))
    with pytest.raises(DataError, match='the record says'):
        load_index(tmp_path)


@pytest.mark.parametrize(
    ('bad', 'why'), [(np.nan, 'not finite'), (np.inf, 'not finite'), (0, 'all zero')]
)
def test_rows_without_direction_are_named(bad, why):
    features = clustered(40)
    features[[7, 31]] = bad
    names = [f'patch{row}.png' for row in range(40)]
    with pytest.raises(DataError, match=rf'{why}: row 7 \(patch7.png\), row 31 \(patch31.png\)'):
        build_index(features, names)


def test_numbers_of_any_size_have_a_direction():
    features = clustered(40)
    plain = build_index(features).search(features[:4], 3)
    for scale in (1e-30, 1e30):
        scores, rows = build_index(features * np.float32(scale)).search(features[:4] * scale, 3)
        assert rows.tolist() == plain[1].tolist()
        np.testing.assert_allclose(scores, plain[0], atol=1e-5)


def test_queries_that_do_not_fit_are_named():
    index = build_index(clustered(40))
    with pytest.raises(DataError, match=r'needs queries \(Q, 16\); found \(2, 8\)'):
        index.search(np.ones((2, 8)), 3)
    with pytest.raises(DataError, match='queries that are all zero: row 0'):
        index.search(np.zeros((1, 16)), 3)
    with pytest.raises(ConfigError, match='k=0'):
        index.search(np.ones((1, 16)), 0)
    assert index.search(np.empty((0, 16)), 3)[1].shape == (0, 3)


@pytest.mark.parametrize(
    'options', [{'kind': 'tree'}, {'target': 0}, {'target': 1.1}, {'lists': 0}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match='an index needs'):
        build_index(clustered(40), **options)


def test_without_faiss_the_search_is_exact(no_faiss, monkeypatch):
    features = clustered(100)
    assert build_index(features).search(features[:1], 1)[1].tolist() == [[0]]
    monkeypatch.setattr(building, 'FLAT', 100)
    with pytest.raises(ConfigError, match=r'cite-pathology\[retrieval\]'):
        build_index(features)
    assert build_index(features, kind='flat').kind == 'flat'
