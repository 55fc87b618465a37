from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from stained_tissue import mean_density, tissue

from cite.errors import DataError
from cite.evaluation.groups import select
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.experiments.stain_groups import (
    NO_TISSUE,
    colour_word,
    group_slides,
    measure_slides,
    sample_files,
    stain_groups,
)
from cite.experiments.stain_picture import draw_groups
from cite.experiments.stain_table import groups_table, write_groups

CLASSES = ('well differentiated $x$', 'moderately differentiated', 'poorly differentiated')
PALE, PINK, BLUE = (222, 172, 214), (215, 120, 185), (100, 106, 190)
COLOURS = {'pale': PALE, 'pink': PINK, 'blue': BLUE}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Predictions of 27 patches of 9 slides in three colours, and the folder of their images."""
    root = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    files, slides = [], []
    for colour, rgb in COLOURS.items():
        for number in range(3):
            for patch in range(3):
                pixels = np.array(rgb) + rng.normal(0, 6, (40, 40, 3)) - 3 * number
                files.append(f'{colour}{number}_{patch}.png')
                slides.append(f'{colour}{number}')
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / files[-1])
    labels = np.array([int(slide[-1]) for slide in slides])
    probabilities = rng.dirichlet(np.ones(3), len(files))
    for row, slide in enumerate(slides):
        if slide.startswith('blue'):  # the model knows the blue ones
            probabilities[row] = np.eye(3)[labels[row]]
    return Predictions(files, labels, probabilities, slides, CLASSES), root


@pytest.fixture(scope='module')
def groups(run):
    return stain_groups(run[0], data_root=run[1])


def test_slides_are_grouped_by_colour_palest_first(groups):
    found = [[slide.rstrip('012') for slide in group.results.slides] for group in groups]
    assert [group.name for group in groups] == ['A', 'B', 'C']
    assert found == [['pale'] * 3, ['pink'] * 3, ['blue'] * 3]
    assert groups[2].results.metrics['slide']['balanced_accuracy'] == 1.0
    for group, rgb in zip(groups, COLOURS.values(), strict=True):
        assert np.abs(np.subtract(group.rgb, rgb)).max() < 8
    words = [group.colour.rpartition(' ')[0] for group in groups]
    assert words == ['pale magenta', 'magenta', 'blue'], words


def test_neither_order_nor_seed_of_numpy_decides(run, groups):
    predictions, root = run
    np.random.seed(3)
    mixed = select(predictions, np.random.default_rng(2).permutation(len(predictions)))
    for one, other in zip(groups, stain_groups(mixed, data_root=root), strict=True):
        assert one.results == other.results
        np.testing.assert_allclose(one.density, other.density)


def test_results_of_one_group_are_those_of_the_run(run):
    (only,) = stain_groups(run[0], groups=1, data_root=run[1])
    assert only.results.metrics == evaluate(run[0])


def test_stain_is_that_of_the_tissue(tmp_path):
    pixels = tissue(3).copy()
    pixels[:40] = 248
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    predictions = Predictions(['a.png'], np.array([0]), [[0.5, 0.5]], ['s'], ('x', 'y'))
    found = measure_slides(predictions, tmp_path)['s']
    assert np.abs(found - mean_density(pixels)).max() < 0.1
    assert found[1] > found[0], 'more green than red is absorbed'


def test_slides_without_tissue_are_a_group_of_their_own(run, tmp_path):
    predictions, root = run
    Image.new('RGB', (40, 40), (250, 250, 250)).save(root / 'glass_0.png')
    more = Predictions(
        [*predictions.files, 'glass_0.png'],
        np.append(predictions.labels, 1),
        np.vstack([predictions.probabilities, [0.2, 0.3, 0.5]]),
        [*predictions.slides, 'glass'],
        CLASSES,
    )
    found = stain_groups(more, data_root=root)
    assert [group.name for group in found] == ['A', 'B', 'C', NO_TISSUE]
    assert found[3].density is None and found[3].colour == '-'
    assert 'no tissue has no slide of' in groups_table(found)
    write_groups(found, tmp_path)
    assert '\nglass,no tissue,,,\n' in (tmp_path / 'stain_slides.csv').read_text()
    assert draw_groups(found, more, tmp_path / 'x.png', data_root=root).is_file()


def test_sample_is_even_and_the_same_for_every_order(run):
    predictions = run[0]
    chosen = sample_files(predictions, 2)
    assert list(chosen) == sorted(set(predictions.slides))
    assert {len(files) for files in chosen.values()} == {2}
    backwards = select(predictions, np.arange(len(predictions))[::-1])
    assert sample_files(backwards, 2) == chosen
    files = [f'/another/machine/{file}' for file in predictions.files]
    elsewhere = sample_files(replace(predictions, files=files), 2)
    assert elsewhere == {
        slide: [f'/another/machine/{file}' for file in found] for slide, found in chosen.items()
    }


def test_bad_numbers_of_groups_and_missing_files(run, tmp_path):
    predictions = run[0]
    with pytest.raises(DataError, match=r'10 groups of stain: the run has 9 slides.*1 to 9'):
        stain_groups(predictions, groups=10, data_root=tmp_path)
    with pytest.raises(DataError, match=r'3 groups of stain: the run has 1 slides'):
        group_slides({name: np.ones(3) for name in 'abc'}, 3)
    with pytest.raises(
        DataError, match=r'27 patches of the run are not there, first: .*run the rep'
    ):
        stain_groups(predictions, data_root=tmp_path)
    (tmp_path / 'torn').mkdir()
    for file in predictions.files:
        (tmp_path / 'torn' / file).write_bytes(b'\x89PNG')
    with pytest.raises(DataError, match='damaged'):
        stain_groups(predictions, data_root=tmp_path / 'torn')


@pytest.mark.parametrize(
    ('rgb', 'word'),
    [
        ((208, 148, 206), 'magenta'),
        ((240, 215, 235), 'pale magenta'),
        ((215, 120, 160), 'pink'),
        ((100, 100, 190), 'blue'),
        ((140, 90, 190), 'violet'),
        ((90, 40, 110), 'dark purple'),
        ((200, 60, 60), 'dark red'),
        ((150, 110, 70), 'dark brown'),
        ((128, 128, 128), 'grey'),
        ((0, 0, 0), 'dark grey'),
        ((255, 255, 255), 'pale grey'),
    ],
)
def test_colours_have_words(rgb, word):
    assert colour_word(rgb) == word


# -- what is shown ---------------------------------------------------------------------------------


def test_table_says_gap_and_caution(groups):
    text = groups_table(groups)
    lines = text.splitlines()
    assert len({len(line) for line in lines[:5]}) == 1 and max(map(len, lines)) <= 120
    assert lines[2].startswith('A') and '1 / 1 / 1' in lines[2]
    worst = min(groups[:2], key=lambda g: g.results.metrics['slide']['balanced_accuracy'])
    difference = 1 - worst.results.metrics['slide']['balanced_accuracy']
    assert f'Gap in balanced accuracy by slide: {difference:.3f} (C best' in text
    assert 'may differ in tissue as well as in stain' in text
    assert 'has no slide of' not in text


def test_groups_without_a_class_have_no_part_in_the_gap(run):
    predictions, root = run
    rows = [
        row
        for row, slide in enumerate(predictions.slides)
        if slide not in ('blue0', 'blue1') and slide != 'pale2'
    ]
    text = groups_table(stain_groups(select(predictions, rows), data_root=root))
    assert 'A has no slide of poorly: its balanced accuracy is over the other classes' in text
    assert 'C has no slide of well, moderately: ' in text
    assert 'No gap is given' in text and 'Gap in' not in text


def test_files_hold_a_line_per_group_and_per_slide(groups, tmp_path):
    write_groups(groups, tmp_path)
    with (tmp_path / 'stain_groups.csv').open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['group'] for row in rows] == ['A', 'B', 'C']
    assert rows[2]['slide_balanced_accuracy'] == '1.000000'
    assert rows[0][f'slides of {CLASSES[0]}'] == '1' and rows[0]['patches'] == '9'
    with (tmp_path / 'stain_slides.csv').open(encoding='utf-8', newline='') as file:
        slides = {row['slide']: row for row in csv.DictReader(file)}
    assert len(slides) == 9 and slides['blue1']['group'] == 'C'
    assert float(slides['blue1']['od_green']) == pytest.approx(0.95, abs=0.1)


def test_picture_shows_the_patches(run, groups, tmp_path):
    out = draw_groups(groups, run[0], tmp_path / 'new' / 'x.png', 'a $title$', run[1])
    assert [path.name for path in out.parent.iterdir()] == ['x.png']
    with Image.open(out) as image:
        assert image.width == 1800
        pixels = np.asarray(image.convert('RGB')).reshape(-1, 3).astype(int)
    for rgb in COLOURS.values():
        near = np.abs(pixels - rgb).max(axis=1) <= 12
        assert near.mean() > 0.03, rgb
