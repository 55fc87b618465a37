import pytest

from cite.errors import DataError
from cite.studies.run_key import RunKey, folder_name, parse_id, shots_order


def test_a_name_comes_back(tmp_path):
    key = RunKey('text anchors', '4', 0, 12)
    assert str(key) == 'text_anchors/k4-s0-t12'
    assert key.folder(tmp_path) == tmp_path / 'runs/text_anchors/k4-s0-t12'
    assert parse_id(str(key)) == ('text_anchors', '4', 0, 12)
    assert parse_id('a/kall-s3-t0')[1] == 'all'


@pytest.mark.parametrize('name', ['../../etc', 'a/b', 'a b', 'é', 'k=4, LoRA(r=4)', '.hidden.'])
def test_no_name_leaves_the_folder_of_runs(name, tmp_path):
    folder = RunKey(name, '1', 0, 0).folder(tmp_path).resolve()
    assert folder.parent.parent == tmp_path / 'runs'


@pytest.mark.parametrize('name', ['', '...', '/', '  '])
def test_a_name_of_nothing_is_refused(name):
    with pytest.raises(DataError, match='no letter or digit'):
        folder_name(name)


@pytest.mark.parametrize(
    'text', ['k4-s0-t0', 'a/k-s0-t0', 'a/k4-s0', 'a/k4-s-1-t0', 'a/b/k1-s0-t0']
)
def test_other_names_are_no_runs(text):
    with pytest.raises(DataError, match='no run of a study'):
        parse_id(text)


def test_shots_go_by_size():
    assert sorted(['all', '16', '2', '1'], key=shots_order) == ['1', '2', '16', 'all']
