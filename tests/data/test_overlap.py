from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cite.data.overlap import overlap
from cite.data.table import PatchTable


def table(files, slides, patients=None):
    return PatchTable(
        root=Path(),
        files=np.array(files),
        labels=np.zeros(len(files), np.int64),
        slides=np.array(slides),
        classes=('a', 'b'),
        patients=None if patients is None else np.array(patients),
    )


@pytest.mark.parametrize(
    ('first', 'second', 'found'),
    [
        ((['x', 'y'], ['2', '1']), (['u', 'v', 'w'], ['1', '2', '3']), ('slides', ['1', '2'])),
        ((['x'], ['1'], ['p']), (['y'], ['2'], ['p']), ('patients', ['p'])),
        ((['x'], ['1']), (['y'], ['2'], ['p']), None),
        ((['x'], ['1'], ['p']), (['y'], ['2'], ['q']), None),
    ],
)
def test_what_two_tables_share(first, second, found):
    assert overlap(table(*first), table(*second)) == found


def test_the_same_file_under_two_slides():
    unit, names = overlap(table(['x'], ['1']), table(['./x'], ['2']))
    assert unit == 'files' and len(names) == 1


def test_the_same_file_by_a_link_to_it_or_to_its_folder(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real' / 'x.png').touch()
    (tmp_path / 'link.png').symlink_to(tmp_path / 'real' / 'x.png')
    (tmp_path / 'folder').symlink_to(tmp_path / 'real')
    true = str((tmp_path / 'real' / 'x.png').resolve())
    first = table([str(tmp_path / 'real' / 'x.png')], ['1'])
    for other in ('link.png', 'folder/x.png'):
        assert overlap(first, table([str(tmp_path / other)], ['2'])) == ('files', [true])
