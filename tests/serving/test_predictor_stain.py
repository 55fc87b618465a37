from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image
from small_adapter import write
from stained_tissue import tissue

from cite.adapter import save_adapter
from cite.errors import CheckpointError
from cite.images.stain import NormalizeStain, fit_reference
from cite.model_card import model_card
from cite.serving import load


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    return write(tmp_path_factory.mktemp('adapter'))


@pytest.fixture
def with_stain(trained, tmp_path):
    """Writes the adapter with a record of the staining, and returns its path."""
    _, classifier, info = trained

    def save(record):
        other = dataclasses.replace(info, preprocessing={**info.preprocessing, 'stain': record})
        save_adapter(tmp_path / 'stained', classifier.state_dict(), other)
        return tmp_path / 'stained'

    return save


@pytest.mark.parametrize('method', ['macenko', 'reinhard'])
def test_patches_get_the_staining_of_the_training_first(trained, with_stain, method):
    reference = fit_reference(method, [tissue(i) for i in range(3)])
    step = NormalizeStain(method, reference.reference)
    images = [Image.fromarray(tissue(i, size=130)) for i in (3, 4)]
    found = load(with_stain(reference.to_dict()), device='cpu').predict(images).scores
    plain = load(trained[0], device='cpu')
    np.testing.assert_allclose(plain.predict([step(i) for i in images]).scores, found, atol=1e-6)
    assert np.abs(plain.predict(images).scores - found).max() > 1e-4


@pytest.mark.parametrize(
    'record',
    [
        'macenko',
        {},
        {'method': 'macenko'},
        {'method': 'evil', 'reference': {}},
        {'method': 'reinhard', 'reference': {'mean': [0, 0, 0], 'std': [0, 1, 1]}},
        {'method': 'reinhard', 'reference': {'mean': [0, 0, 1e300], 'std': [1, 1, 1]}},
        {'method': 'macenko', 'reference': {'stains': 'x', 'maxima': {}}},
    ],
)
def test_a_damaged_record_is_refused(with_stain, record):
    with pytest.raises(CheckpointError, match='staining is damaged'):
        load(with_stain(record), device='cpu')


def test_the_card_tells_it(trained):
    info = trained[2]
    reference = fit_reference('macenko', [tissue(0)]).to_dict()
    reference['fitted_on'] = {'slides': 24}
    other = dataclasses.replace(info, preprocessing={**info.preprocessing, 'stain': reference})
    assert 'stain normalised (macenko, fitted on 24 slides)' in model_card(other)
    assert 'stain' not in model_card(info)
