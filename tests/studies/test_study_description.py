import json
from dataclasses import replace

import pytest

from cite.errors import ConfigError, DataError
from cite.studies.description import Choosing, Method, Study

STUDY = Study(
    'demo',
    (Method('a', 'lc25000/linear', {'x.y': 1}), Method('colour', baseline='colour')),
    ('1', '16', '4', 'all'),
    (0, 5),
    (0, 1, 2),
)


def test_comes_back_from_its_file(tmp_path):
    STUDY.write(tmp_path)
    found = Study.load(tmp_path)
    assert found == STUDY and found.digest == STUDY.digest


def test_runs_in_order_and_baselines_once_per_draw():
    runs = STUDY.runs()
    assert [str(run) for run in runs[:4]] == [
        'a/k1-s0-t0',
        'a/k1-s0-t1',
        'a/k1-s0-t2',
        'a/k1-s5-t0',
    ]
    assert len(runs) == len(set(runs)) == 4 * 2 * 3 + 4 * 2
    assert list(dict.fromkeys(run.shots for run in runs)) == ['1', '4', '16', 'all']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'methods': ()}, 'no methods'),
        ({'methods': (Method('a', baseline='colour'),)}, 'no methods but baselines'),
        ({'tracking': 'excel'}, 'tracking must be one of'),
        ({'methods': (Method('a b', 'x'), Method('a_b', 'x'))}, 'share a folder'),
        ({'methods': (Method('A', 'x'), Method('a', 'x'))}, 'share a folder'),
        ({'methods': (Method('a'),)}, 'either a config or a baseline'),
        (
            {'methods': (Method('z', 'x'), Method('a', 'x', baseline='colour'))},
            'either a config or a baseline',
        ),
        ({'methods': (Method('z', 'x'), Method('a', baseline='colours'))}, 'no baseline'),
        ({'shots': ()}, 'shots must be distinct'),
        ({'seeds': (1, 1)}, 'seeds must be distinct'),
        ({'choosing': Choosing(0)}, 'budget must be 1 to 6'),
        ({'choosing': Choosing(7)}, 'budget must be 1 to 6'),
        ({'choosing': Choosing(3, 1)}, 'folds must be 2 or more'),
        ({'aggregation': 'best'}, 'No aggregation'),
        ({'top_k': 0, 'aggregation': 'topk'}, 'takes 1 patch or more'),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(STUDY, **change).check()


def test_no_such_method():
    with pytest.raises(ConfigError, match=r"no method 'b'; it has a, colour"):
        STUDY.method('b')


def test_files_that_are_no_studies(tmp_path):
    with pytest.raises(DataError, match='no such file'):
        Study.load(tmp_path)
    for content in ('{', '[]', '{"name": "x"}', json.dumps({'name': 'x', 'methods': [{'q': 1}]})):
        (tmp_path / 'study.json').write_text(content)
        with pytest.raises(DataError, match='not a study'):
            Study.load(tmp_path)
