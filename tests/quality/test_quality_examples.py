"""Copies count once, and slides hold their pictures together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_collection import chart, tissue

from cite.errors import DataError
from cite.quality import Material, build_filter, read_collection, run_filters
from cite.quality.examples import read_examples, unit_numbers


def material_of(tmp_path: Path) -> Material:
    (tmp_path / 'raw').mkdir()
    tissue(0).save(tmp_path / 'raw/0.png')
    return Material(read_collection(tmp_path / 'raw'), progress=False)


def by_number(material):
    """Values that are the rows of the files."""

    def values_of(source, kind):
        names = material.example_files(source)[1]
        return np.arange(len(names), dtype=float)[:, None], names

    return values_of


def test_what_shares_a_key_or_is_linked_has_one_number():
    keys = [
        [('slide', 'a')],
        [('slide', 'a'), ('patient', 'p')],
        [('slide', 'b'), ('patient', 'p')],
        [('slide', 'p')],
        [],
        [],
    ]
    found = unit_numbers(keys)
    assert found[0] == found[1] == found[2]
    assert len(set(found.tolist())) == 4
    assert len(set(unit_numbers([[], []]).tolist())) == 2


def test_copies_count_once_so_four_pictures_are_too_few(tmp_path):
    material = material_of(tmp_path)
    rng = np.random.default_rng(0)
    for kind, draw in (('positives', tissue), ('negatives', lambda n: chart(rng))):
        (tmp_path / kind).mkdir()
        for number in range(4):
            image = draw(100 + number)
            for copy in range(6):
                turned = image.rotate(90 * copy)
                turned.save(
                    tmp_path / kind / f'{number}_{copy}.{"jpg" if copy > 3 else "png"}', quality=95
                )
    folders = tmp_path / 'positives', tmp_path / 'negatives'
    found = read_examples(material, *folders, by_number(material))
    assert (len(found.labels), found.copies) == (8, 40)
    assert any('40 examples are copies' in note for note in found.notes)
    one = build_filter('pathology', positives=folders[0], negatives=folders[1], by='colour')
    with pytest.raises(DataError, match=r'at least 8 positives, copies not counted.*found 4'):
        run_filters(material, [one])


def test_a_picture_of_both_kinds_is_on_one_side_and_told(tmp_path):
    material = material_of(tmp_path)
    for kind, first in (('positives', 100), ('negatives', 103)):
        (tmp_path / kind).mkdir()
        for number in range(4):
            tissue(first + number).save(tmp_path / kind / f'{number}.png')
    found = read_examples(
        material, tmp_path / 'positives', tmp_path / 'negatives', by_number(material)
    )
    assert found.copies == 0 and found.units[3] == found.units[4]
    assert len(np.unique(found.units)) == 7
    assert any('1 pictures are among the positives and among' in note for note in found.notes)


def manifests(tmp_path, columns):
    """Sixteen pictures of each kind, four a slide; the kinds share the slide s3."""
    found = []
    for kind, first in (('positives', 0), ('negatives', 3)):
        (tmp_path / kind).mkdir(parents=True)
        lines = [','.join(['file', *columns])]
        for number in range(16):
            if kind == 'positives':
                image = tissue(100 + number)
            else:
                image = chart(np.random.default_rng(number))
            image.save(tmp_path / kind / f'{number}.png')
            values = {
                'slide': f's{first + number // 4}',
                'patient': f'p{(first + number // 4) // 2}',
            }
            lines.append(','.join([f'{number}.png', *(values[column] for column in columns)]))
        (tmp_path / kind / 'list.csv').write_text('\n'.join(lines) + '\n')
        found.append(tmp_path / kind / 'list.csv')
    return found


@pytest.mark.parametrize(
    ('columns', 'units', 'known'),
    [([], 32, False), (['slide'], 7, True), (['patient', 'slide'], 4, True)],
)
def test_slides_and_patients_of_a_manifest_hold_pictures_together(tmp_path, columns, units, known):
    material = material_of(tmp_path)
    found = read_examples(material, *manifests(tmp_path, columns), by_number(material))
    assert len(np.unique(found.units)) == units
    assert found.slides_known == known
    assert (
        any('Slides are not known of 16 of the 16 positives' in note for note in found.notes)
        != known
    )
    if 'slide' in columns:
        assert found.units[12] == found.units[16]  # of one slide, one of each kind


def test_the_verdict_says_by_what_examples_were_divided(tmp_path):
    material = material_of(tmp_path)
    for columns, said in ((['slide'], 'slides and patients'), ([], 'pictures (slides unknown)')):
        positives, negatives = manifests(tmp_path / ''.join(['x', *columns]), columns)
        one = build_filter('pathology', positives=positives, negatives=negatives, by='colour')
        verdict = run_filters(material, [one]).steps[-1].verdict
        assert verdict.about['examples divided by'] == said
        assert any('Slides are not known' in note for note in verdict.notes) == (not columns)


def test_an_example_that_cannot_be_read_is_left_out_by_colour(tmp_path):
    material = material_of(tmp_path)
    positives, negatives = manifests(tmp_path, [])
    (positives.parent / '3.png').write_bytes(b'')
    Image.new('RGB', (96, 96), 'white').save(negatives.parent / '4.png')
    Image.new('RGB', (96, 96), 'white').save(negatives.parent / '5.png')
    one = build_filter('pathology', positives=positives, negatives=negatives, by='colour')
    about = run_filters(material, [one]).steps[-1].verdict.about
    assert about['examples'] == {'positives': 15, 'negatives': 15, 'copies_left_out': 1}
