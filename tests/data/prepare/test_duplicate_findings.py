from __future__ import annotations

from pathlib import Path

import pytest

from cite.data import PatchTable
from cite.data.prepare.duplicate_findings import find_shared, refuse_two_classes
from cite.errors import DataError

SLIDES = ['a1', 'a1', 'a2', 'b1', 'b2', 'a3']
FILES = [f'{slide}_{i}.jpg' for i, slide in enumerate(SLIDES)]
TABLE = PatchTable(FILES, [0, 0, 0, 1, 1, 0], SLIDES, ('a', 'b'), Path(), source='made')
PARTS = {'val': TABLE.subset([0, 1, 3]), 'train_1': TABLE, 'train_all': TABLE.subset([2, 4, 5])}


def test_one_picture_of_two_classes_is_a_wrong_label():
    refuse_two_classes(TABLE, [(0, 1), (0, 2)])
    with pytest.raises(DataError, match=r'under two classes, a1_1\.jpg and b2_4\.jpg; correct'):
        refuse_two_classes(TABLE, [(0, 2), (1, 2, 4)])


def test_within_a_slide_across_slides_across_sides():
    found = find_shared(TABLE, [(0, 1)], PARTS)
    assert (found.within, found.across_slides, found.across_sides) == (1, (), ())
    assert found.lines() == ['duplicates: 1 patches repeat another of their slide']
    found = find_shared(TABLE, [(2, 5)], PARTS)
    assert (found.within, found.across_slides) == (0, ('a2_2.jpg and a3_5.jpg',))
    assert 'warning: the same picture in different slides (1): a2_2.jpg' in found.lines()[0]
    found = find_shared(TABLE, [(0, 1, 5), (3, 4)], PARTS)
    assert found.within == 1 and found.across_slides == ()
    assert found.across_sides == ('a3_5.jpg and a1_0.jpg', 'b2_4.jpg and b1_3.jpg')
    assert find_shared(TABLE, [], PARTS).lines() == []
