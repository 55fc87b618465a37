"""A patch and classes → scores, maps, files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from demo_cases import CLASSES
from PIL import Image

from cite.demo.bars import write_png
from cite.demo.models import prompt_names
from cite.demo.patch import classify, drawn_example, explain_patch, write_csv
from cite.errors import ConfigError
from cite.images import load_rgb

ADAPTER = 'adapter/adapter.safetensors'


@pytest.fixture(scope='module')
def patch(demo_files):
    return load_rgb(demo_files / 'images/0.png')


def test_tiny_tissue_is_always_there_and_adapters_come_first(demo_models):
    assert demo_models.names == [ADAPTER, 'tiny-tissue']


def test_a_pair_knows_a_well_differentiated_patch(demo_models, patch):
    found = classify(demo_models, patch, 'tiny-tissue', CLASSES, 'none')
    assert found.best == 'well' and found.bars['well'] == pytest.approx(1 - found.bars['poorly'])
    scale = demo_models.spaces['tiny-tissue'].scale
    logits = scale * found.cosines.astype(float)
    assert found.probabilities == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=1e-5)
    assert f'{scale:.1f}' in found.note


@pytest.mark.parametrize('prompts', ['none', 'conch'])
def test_what_explains_a_patch_is_what_classifies_it(demo_models, patch, prompts):
    """The map, the slide and the scores must be of one model."""
    from cite.demo.patch import asked_for

    found = classify(demo_models, patch, 'tiny-tissue', CLASSES, prompts)
    asked = demo_models.asking(*asked_for(demo_models, 'tiny-tissue', CLASSES, prompts))
    assert asked.classes == found.classes
    assert asked.predict([patch]).scores[0] == pytest.approx(found.probabilities, abs=1e-4)


def test_an_adapter_has_classes_of_its_own(demo_models, patch):
    found = classify(demo_models, patch, ADAPTER, 'these\nare not asked', 'no such prompts')
    own = demo_models.adapters[ADAPTER]
    assert found.classes == own.classes and found.cosines is None
    assert np.array_equal(found.probabilities, own.predict([patch]).scores[0])


@pytest.mark.parametrize(
    ('model', 'lines', 'prompts'),
    [
        ('plip', CLASSES, 'none'),
        ('tiny-tissue', '', 'none'),
        ('tiny-tissue', 'a\n' + 'word ' * 190, 'none'),  # longer than the model takes
        ('tiny-tissue', CLASSES, '/etc/hostname.txt'),
        ('tiny-tissue', CLASSES, '{} by a user'),
    ],
)
def test_what_cannot_be_asked_is_told(demo_models, patch, model, lines, prompts):
    with pytest.raises(ConfigError):
        classify(demo_models, patch, model, lines, prompts)


def test_all_prompts_on_offer_can_be_used(demo_models, patch):
    assert prompt_names()[:2] == ('none', 'model')
    for name in prompt_names():
        assert classify(demo_models, patch, 'tiny-tissue', CLASSES, name).best in ('well', 'poorly')


@pytest.mark.parametrize('model', ['tiny-tissue', ADAPTER])
def test_a_map_is_of_the_class_that_is_chosen(demo_models, patch, model):
    names = demo_models.classes_of(model) or ('well', 'poorly')
    ask = (demo_models, patch, model, CLASSES, 'none')
    first, second = (np.asarray(explain_patch(*ask, name, 'scores')) for name in names[:2])
    assert first.ndim == 3 and (first.shape != second.shape or (first != second).any())
    for name, method in (('nobody', 'scores'), (None, 'os.system')):
        with pytest.raises(ConfigError, match='map'):
            explain_patch(*ask, name, method)


def test_files_say_what_the_page_says(demo_models, patch, tmp_path):
    lines = '=1+1: $x_1$ glands\n' + '\n'.join(f'class {n}' for n in range(20))
    found = classify(demo_models, patch, 'tiny-tissue', lines, 'none')
    write_csv(found, tmp_path / 'scores.csv')
    with (tmp_path / 'scores.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[0]['class'] == found.best and len(rows) == 21
    assert {row['class']: float(row['probability']) for row in rows} == pytest.approx(
        found.bars, abs=1e-6
    )
    write_png(found, patch, tmp_path / 'scores.png')  # no formula is made of dollars
    assert Image.open(tmp_path / 'scores.png').width > 800


def test_examples_are_patches():
    assert drawn_example().size == (300, 300)
