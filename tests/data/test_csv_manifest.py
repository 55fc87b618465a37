from __future__ import annotations

import pytest

from cite.data import read_csv, read_folder
from cite.data.csv_manifest import read_column
from cite.errors import ConfigError, DataError

ROWS = 'file,label\nlow/P1-A/1.jpg,low\nlow/P1-B/1.jpg,low\nhigh/P2-A/1.jpg,high\n'
SLIDE, PATIENT = r'(?P<slide>[^/]+)/[^/]+$', r'/(?P<patient>P\d+)-'


def test_slides_and_patients_come_from_names_where_no_column_has_them(tmp_path):
    path = tmp_path / 'm.csv'
    path.write_text(ROWS)
    table = read_csv(path, slide_pattern=SLIDE, patient_pattern=PATIENT)
    assert table.slides.tolist() == ['P1-A', 'P1-B', 'P2-A']
    assert table.patients.tolist() == ['P1', 'P1', 'P2']
    assert read_csv(path, slide_pattern=SLIDE).patients is None
    with pytest.raises(DataError, match=r'no patient in the names of low/P1-A.*patient_pattern'):
        read_csv(path, slide_pattern=SLIDE, patient_pattern='(?P<patient>X[0-9])')
    with pytest.raises(ConfigError, match=r'patient_pattern .* has no group \(\?P<patient>'):
        read_csv(path, slide_pattern=SLIDE, patient_pattern=SLIDE)


def test_patients_of_folders(tmp_path):
    for line in ROWS.splitlines()[1:]:
        file = tmp_path / line.split(',')[0]
        file.parent.mkdir(parents=True)
        file.touch()
    assert read_folder(tmp_path, None, SLIDE, PATIENT).patients.tolist() == ['P2', 'P1', 'P1']
    assert read_folder(tmp_path, None, SLIDE).patients is None


def test_a_column_that_is_not_wanted_is_not_read(tmp_path):
    path = tmp_path / 'm.csv'
    path.write_text(
        'file,label,slide,split,patient\n1.jpg,a,s1,train,\n2.jpg,b,s1x,val,\n3.jpg,a,s1,val,\n'
    )
    with pytest.raises(DataError, match="no value in column 'patient'"):
        read_csv(path)
    with pytest.raises(DataError, match='slides in more than one split'):
        read_csv(path, columns={'patient': None})
    table = read_csv(path, columns={'patient': None, 'split': None})
    assert table.slides.tolist() == ['s1', 's1x', 's1']


def test_a_column_row_by_row(tmp_path):
    path = tmp_path / 'm.csv'
    path.write_text(ROWS)
    assert read_column(path, 'label') == ['low', 'low', 'high']
    with pytest.raises(DataError, match=r"no column 'split', found \['file', 'label'\]"):
        read_column(path, 'split')
