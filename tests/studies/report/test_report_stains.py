"""Results by stain: from images that can be read, and without them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from drawn_study import draw_study
from PIL import Image

from cite.studies.description import Study
from cite.studies.report.gather import gather
from cite.studies.report.stains import by_stain

COLOURS = {'pale': (225, 170, 205), 'dark': (120, 50, 130)}


@pytest.fixture
def stained(tmp_path):
    folder = tmp_path / 'stained'
    folder.mkdir()
    study = draw_study(folder, {'cite': 1.0}, ('4',), split_seeds=2, slides_per_class=6)
    dataclasses.replace(study, stain_groups=2, data={'root': str(tmp_path / 'images')}).write(
        folder
    )
    return folder


def draw_images(material, root):
    """Half of the slides of each class pale, half dark."""
    root.mkdir()
    rng = np.random.default_rng(0)
    table = material.done[0].tables['patch']
    for file, slide in zip(table.files, table.slides, strict=True):
        colour = COLOURS['pale' if int(slide[5:]) % 2 else 'dark']
        pixels = np.clip(np.array(colour) + rng.normal(0, 6, (24, 24, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(root / file, quality=95)


def test_groups_of_stain_have_results_of_their_own(stained, tmp_path):
    material = gather(stained, progress=False)
    draw_images(material, tmp_path / 'images')
    found = by_stain(material, 'cite')
    assert [group.name for group in found.groups] == ['A', 'B']
    assert [group.slides for group in found.groups] == [9, 9]
    runs = material.of('cite', '4')
    pale = [int(slide[5:]) % 2 == 1 for slide in runs[0].tables['slide'].slides]
    right = [
        (run.tables['slide'].predicted == run.tables['slide'].labels)[pale].mean() for run in runs
    ]
    # classes are of one size in a group, so balanced accuracy is accuracy
    assert found.groups[0].interval.estimate == pytest.approx(np.mean(right))


def test_without_images_a_note_says_so(stained):
    found = by_stain(gather(stained, progress=False), 'cite')
    assert not found.groups
    assert 'are not there' in found.note


def test_not_asked_for(stained):
    description = json.loads((stained / 'study.json').read_text())
    (stained / 'study.json').write_text(json.dumps({**description, 'stain_groups': 0}))
    assert Study.load(stained).stain_groups == 0
    found = by_stain(gather(stained, progress=False), 'cite')
    assert not found.groups
    assert 'not asked for' in found.note
