from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cite.cli.sources import read_images
from cite.errors import CiteError, ConfigError, DataError


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return path


def test_a_folder_of_classes(tmp_path):
    for name in ('b/s2_1.png', 'a/s1_1.png', 'a/s1_2.png'):
        picture(tmp_path / name)
    found = read_images([tmp_path])
    assert found.names == ['a/s1_1.png', 'a/s1_2.png', 'b/s2_1.png']
    assert found.files == [tmp_path / name for name in found.names]
    assert found.table.classes == ('a', 'b') and found.table.labels.tolist() == [0, 0, 1]
    assert not found.slides_known and found.table.slides.tolist() == found.names
    known = read_images([tmp_path], slide_pattern=r'/(?P<slide>[^/_]+)_')
    assert known.slides_known and known.table.slides.tolist() == ['s1', 's1', 's2']


def test_images_without_labels(tmp_path):
    files = [picture(tmp_path / name) for name in ('a.png', 'sub/b.png')]
    found = read_images([tmp_path])
    assert found.files == files and found.table is None
    assert read_images(files[::-1]).files == files[::-1]


@pytest.mark.parametrize('slides', [False, True])
def test_a_manifest_with_labels(tmp_path, slides):
    column = ',slide' if slides else ''
    rows = [f'{n}.png,{label}{f",s{n}" if slides else ""}' for n, label in ((1, 'x'), (0, 'y'))]
    (tmp_path / 'm.csv').write_text('\n'.join([f'file,label{column}', *rows]))
    found = read_images([tmp_path / 'm.csv'])
    assert found.names == ['0.png', '1.png'] and found.table.labels.tolist() == [1, 0]
    assert found.slides_known == slides


def test_a_manifest_without_labels_and_its_splits(tmp_path):
    (tmp_path / 'm.csv').write_text('file,split\nb.png,val\na.png,train\n')
    assert read_images([tmp_path / 'm.csv']).names == ['b.png', 'a.png']
    found = read_images([tmp_path / 'm.csv'], root=Path('/data'), split='train')
    assert found.files == [Path('/data/a.png')] and found.table is None
    with pytest.raises(DataError, match="no split 'test'"):
        read_images([tmp_path / 'm.csv'], split='test')


def test_what_does_not_go_together(tmp_path):
    picture(tmp_path / 'a.png')
    (tmp_path / 'm.csv').write_text('file\na.png\na.png\n')
    for options, expected in (
        ({'source': [tmp_path / 'm.csv', tmp_path]}, 'a manifest stands alone'),
        ({'source': [tmp_path / 'a.png'], 'root': tmp_path}, '--root'),
        ({'source': [tmp_path / 'a.png'], 'slide_pattern': '(?P<slide>a)'}, '--slide-pattern'),
    ):
        with pytest.raises(ConfigError, match=expected):
            read_images(**options)
    with pytest.raises(DataError, match='named more than once'):
        read_images([tmp_path / 'm.csv'])


def test_nothing_there(tmp_path):
    for source in (tmp_path, tmp_path / 'missing', tmp_path / 'm.csv'):
        with pytest.raises(CiteError):
            read_images([source])


def test_results_are_no_source(tmp_path, monkeypatch):
    """What a verb writes into the folder that it reads is not read by the next run."""
    for name in ('b/1.png', 'a/2.png', 'work_dirs/out/figures/3.png', 'a/._2.png'):
        picture(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    out = Path('work_dirs/out')
    found = read_images([Path()], without=[out])
    assert found.table.classes == ('a', 'b') and found.names == ['a/2.png', 'b/1.png']
    loose = read_images([Path('a'), Path('work_dirs')], without=[out])
    assert loose.files == [Path('a/2.png')]


def test_patches_of_one_slide_may_differ_in_class(tmp_path):
    (tmp_path / 'm.csv').write_text('file,label,slide\n0.png,tumour,s\n1.png,normal,s\n')
    found = read_images([tmp_path / 'm.csv'])
    assert found.slides_known and found.table.slides.tolist() == ['s', 's']
    with pytest.raises(DataError, match='a slide has one class'):
        found.table.check()
