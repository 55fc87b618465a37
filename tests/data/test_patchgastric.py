from __future__ import annotations

import pytest

from cite.data import PATCHGASTRIC_CLASSES, read_patchgastric
from cite.data.patchgastric import why_left_out
from cite.errors import DataError

CAPTIONS = """id,subtype,text
w1,Well differentiated tubular adenocarcinoma,"ducts, and more"
m1,Moderately differentiated tubular adenocarcinoma,text
p1,"Poorly differentiated adenocarcinoma, solid type",text
p2,"Poorly differentiated adenocarcinoma, non-solid type",text
p3,"Poorly differentiated adenocarcinoma, solid type",none of its patches are here
x1,"Poorly differentiated adenocarcinoma, solid type. Moderately differentiated tubular \
adenocarcinoma.",text
x2,Moderately to poorly differentiated adenocarcinoma,text
x3,Papillary adenocarcinoma,text
x4,Papillary adenocarcinoma,text
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'captions.csv').write_text(CAPTIONS)
    folder = tmp_path / 'patches_captions'
    folder.mkdir()
    for patch in (
        'w1_b_1',
        'w1_a',
        'm1_a',
        'p1_a',
        'p2_a',
        'x1_a',
        'x3_a',
        'x3_b',
        'lost_a',
        'none',
    ):
        (folder / f'{patch}.jpg').touch()
    (folder / 'Thumbs.db').touch()
    return tmp_path


def test_three_grades_by_slide(root):
    table, _ = read_patchgastric(root)
    assert table.classes == PATCHGASTRIC_CLASSES
    assert table.files.tolist() == [
        f'patches_captions/{name}.jpg' for name in ('m1_a', 'p1_a', 'p2_a', 'w1_a', 'w1_b_1')
    ]
    assert table.slides.tolist() == ['m1', 'p1', 'p2', 'w1', 'w1']
    assert table.labels.tolist() == [1, 2, 2, 0, 0]
    table.check()
    table.check_files()


def test_what_is_left_out_is_counted(root):
    _, report = read_patchgastric(root)
    assert list(report.captioned.values()) == [1, 1, 3]
    assert list(report.found.values()) == [(2, 1), (1, 1), (2, 2)]
    assert list(report.left_out.values()) == [(2, 2), (0, 1), (1, 1)]  # patches, slides
    assert report.slides_without_patches == ('p3',)
    assert report.patches_without_slide == ('lost_a.jpg', 'none.jpg')
    shown = str(report)
    assert shown.startswith('9 slides with a caption, 5 of the three classes (1 / 1 / 3)')
    for line in (
        'other subtype: Papillary adenocarcinoma (2 slides, 2 patches)',
        'spans two grades: Moderately to poorly differentiated adenocarcinoma (1 slides, 0 patches)',
        'names two diagnoses: Poorly differentiated adenocarcinoma, solid type. Moderately',
        'slides without patches (1): p3',
        'patches without a slide in the caption file (2): lost_a.jpg, none.jpg',
    ):
        assert f'left out, {line}' in shown


def test_bad_patches_are_left_out_and_those_in_the_archive_counted(root):
    table, report = read_patchgastric(root, bad={'p2_a.jpg'}, elsewhere=['x2_a.jpg', 'x3_a.jpg'])
    assert 'p2' not in table.slides.tolist() and report.slides_without_patches == ('p2', 'p3')
    assert [count.patches for count in report.left_out.values()] == [2, 1, 1]
    assert 'cannot be read (1): p2_a.jpg' in str(report)


def test_what_is_not_patchgastric_is_refused(root, tmp_path):
    with pytest.raises(DataError, match=r'captions\.csv: no such file'):
        read_patchgastric(tmp_path / 'elsewhere')
    with pytest.raises(DataError, match='gone: no such folder'):
        read_patchgastric(root, patches='gone')
    (root / 'empty').mkdir()
    with pytest.raises(DataError, match='no patches of slides'):
        read_patchgastric(root, patches='empty')
    (root / 'captions.csv').write_text(CAPTIONS + 'w1,Papillary adenocarcinoma,again\n')
    with pytest.raises(DataError, match='line 11: slide w1 is listed twice'):
        read_patchgastric(root)
    (root / 'captions.csv').write_text(CAPTIONS.replace('subtype', 'kind', 1))
    with pytest.raises(DataError, match=r"missing columns \['subtype'\]"):
        read_patchgastric(root)


def test_the_real_captions_give_693_slides(tmp_path, real_data):
    real = real_data('patchgastric/captions.csv')
    ids = [line.split(',')[0] for line in real.read_text(encoding='utf-8').splitlines()[1:]]
    (tmp_path / 'patches').mkdir()
    for slide in ids:
        (tmp_path / 'patches' / f'{slide}_0.jpg').touch()
    table, report = read_patchgastric(tmp_path, captions=str(real.resolve()), patches='patches')
    assert list(report.captioned.values()) == [283, 265, 145]
    assert len(table) == 693
    assert sum(count.slides for count in report.left_out.values()) == 991 - 693
    assert sum(count.patches for count in report.left_out.values()) == 991 - 693
    mixed = [name for name in report.left_out if why_left_out(name) == 'names two diagnoses']
    assert [report.left_out[name].slides for name in mixed] == [1]
    assert sum(why_left_out(name) == 'spans two grades' for name in report.left_out) == 2
