import pytest
from drawn_study import draw_study

from cite.errors import DataError
from cite.studies.record import DONE, RUNNING, RunRecord, read_record, read_result
from cite.studies.run_key import RunKey

KEY = RunKey('linear', '4', 0, 1)


def test_a_record_comes_back(tmp_path):
    record = RunRecord(KEY, 'abc', DONE, seconds={'training': 1.5}, choice={'how': 'preset'})
    record.write(tmp_path)
    assert read_record(tmp_path, KEY) == record


@pytest.mark.parametrize('content', ['', '{', '[]', '{"key": 3}', '{"state": "done"}'])
def test_one_that_was_cut_off_is_none(content, tmp_path):
    KEY.folder(tmp_path).mkdir(parents=True)
    (KEY.folder(tmp_path) / 'run.json').write_text(content)
    assert read_record(tmp_path, KEY) is None


def test_of_another_method_in_the_same_folder(tmp_path):
    RunRecord(RunKey('a b', '1', 0, 0), '', RUNNING).write(tmp_path)
    with pytest.raises(DataError, match='share a folder'):
        read_record(tmp_path, RunKey('a_b', '1', 0, 0))


def test_results_are_of_runs_that_are_done(tmp_path):
    study = draw_study(tmp_path / 's', {'a': 0.5}, ('1', '4'), 1, 6)
    one, four = study.runs()
    found = read_result(tmp_path / 's', four)
    assert found.held_out is not None and len(found.predictions) == 6 * 3 * 4
    assert read_result(tmp_path / 's', one).held_out is None
    record = read_record(tmp_path / 's', one)
    record.state = RUNNING
    record.write(tmp_path / 's')
    assert read_result(tmp_path / 's', one) is None
