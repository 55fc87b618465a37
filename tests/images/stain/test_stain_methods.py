"""What holds for every method of normalisation, those that are still to come included."""

from __future__ import annotations

import pickle

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stained_tissue import difference, mean_density, picture, tissue

from cite.errors import ConfigError, DataError
from cite.images import to_uint8_tensor
from cite.images.stain import METHODS, NormalizeStain, StainReference, fit_reference
from cite.images.stain.base import build_method, method_class, middle
from cite.images.stain.density import Pixels

NAMES = [name.lower() for name in METHODS.names()]
ALL = pytest.mark.parametrize('method', NAMES)


@pytest.fixture(scope='module')
def references() -> dict[str, StainReference]:
    return {name: fit_reference(name, [tissue(i) for i in range(3)]) for name in NAMES}


def normalizer(reference: StainReference) -> NormalizeStain:
    return NormalizeStain(reference.method, reference.reference)


def test_methods_are_found_by_name():
    assert NAMES == ['macenko', 'reinhard']
    assert method_class('macenko').__name__ == 'Macenko'
    for name in ('Macenko', 'vahadane', '', None, 3):
        with pytest.raises(ConfigError, match='known: macenko, reinhard'):
            method_class(name)


@ALL
@pytest.mark.parametrize('number', range(4))
def test_to_its_own_staining_is_nearly_the_identity(method, number):
    pixels = tissue(number)
    out = normalizer(fit_reference(method, [pixels]))(picture(number))
    assert difference(out, pixels) < 1.5
    assert np.abs(mean_density(out) - mean_density(pixels)).max() < 0.02


@ALL
def test_stainings_of_one_tissue_come_together(method, references):
    """Distances over all pairs of four stainings, of the mean density and pixel by pixel.

    The slides differ in focus and grain as well, which no normalisation changes.
    """
    stainings = (1, 3, 5, 7)
    raw = [tissue(1, stain_of=stain) for stain in stainings]
    done = [normalizer(references[method])(picture(1, stain_of=stain)) for stain in stainings]
    pairs = [(i, j) for i in range(4) for j in range(i)]

    def distances(pictures):
        means = [mean_density(each) for each in pictures]
        apart = np.mean([np.abs(means[i] - means[j]).max() for i, j in pairs])
        return apart, np.mean([difference(pictures[i], pictures[j]) for i, j in pairs])

    before, after = distances(raw), distances(done)
    assert before[0] > 0.05 and before[1] > 8
    assert after[0] < 0.5 * before[0] and after[1] < 0.7 * before[1], (before, after)


@ALL
def test_the_same_for_pictures_and_tensors_and_after_pickling(method, references):
    step = normalizer(references[method])
    image = picture(4)
    out = step(image)
    assert out.size == image.size and out.mode == 'RGB'
    tensor = to_uint8_tensor(image)
    before = tensor.clone()
    again = pickle.loads(pickle.dumps(step))(tensor)
    assert again.dtype == torch.uint8 and again.is_contiguous()
    assert torch.equal(again, to_uint8_tensor(out))
    assert torch.equal(tensor, before), 'the picture that came in was changed'


@ALL
def test_glass_stays_as_it_is(method, references):
    pixels = tissue(3).copy()
    pixels[:30, :, :] = (244, 240, 231)
    pixels[30:34, :, :] = 255
    out = np.asarray(normalizer(references[method])(to_uint8_tensor(picture(3)).clone()))
    assert out.shape == (3, 96, 96)
    out = np.asarray(build_method(method, references[method].reference)(pixels))
    assert np.abs(out[:30].astype(int) - (244, 240, 231)).max() <= 1
    assert (out[30:34] == 255).all()


def flat(colour, size=40):
    return np.broadcast_to(np.uint8(colour), (size, size, 3)).copy()


NOTHING_TO_TELL = {
    'white': flat((255, 255, 255)),
    'glass': flat((238, 236, 230)),
    'black': flat((0, 0, 0)),
    'one colour': flat((190, 90, 160)),
    'grey': flat((120, 120, 120)) + np.arange(40, dtype=np.uint8)[:, None, None],
    'nearly one colour': flat((190, 90, 160)) + (np.arange(40) % 2).astype(np.uint8)[:, None, None],
    'tiny': np.random.default_rng(0).integers(0, 200, (3, 5, 3)).astype(np.uint8),
    'one pixel': flat((190, 90, 160), 1),
    'a speck': np.where(np.arange(80)[:, None, None] < 2, tissue(0)[:80, :80], np.uint8(250)),
}


@ALL
@pytest.mark.parametrize('name', NOTHING_TO_TELL)
def test_what_shows_too_little_is_returned_as_it_is(method, references, name):
    pixels = NOTHING_TO_TELL[name]
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    assert normalizer(references[method])(tensor) is tensor


images = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)),
    elements=st.integers(0, 255),
)


@ALL
@settings(max_examples=40, deadline=None, derandomize=True)
@given(base=images, seed=st.integers(0, 99), noise=st.sampled_from([0, 1, 8, 60]))
def test_any_picture_comes_out_whole(method, references, base, seed, noise):
    """Enlarged to 48 pixels, so that there is enough to estimate from; with and without noise."""
    pixels: Pixels = np.resize(base, (48, 48, 3))
    jitter = np.random.default_rng(seed).integers(-noise, noise + 1, pixels.shape)
    pixels = np.clip(pixels + jitter, 0, 255).astype(np.uint8)
    step = build_method(method, references[method].reference)
    with np.errstate(all='raise', under='ignore'):
        out = step(pixels)
        found = step.estimate(pixels)
    assert out.shape == pixels.shape and out.dtype == np.uint8
    assert found is None or all(np.isfinite(value).all() for value in found.values())


# -- references ------------------------------------------------------------------------------------


@ALL
def test_fit_is_the_median_of_its_pictures_in_any_order(method):
    patches = [tissue(i) for i in range(5)]
    reference = fit_reference(method, patches)
    assert fit_reference(method, patches[::-1]) == reference
    assert reference.fitted_on == {'patches': 5}
    blank = flat((250, 250, 250))
    with_blank = fit_reference(method, [*patches, blank])
    assert with_blank == reference, 'a blank picture says nothing of the staining'
    inked = np.where(np.arange(96)[:, None, None] % 2, tissue(0), np.uint8([20, 120, 40]))
    odd = fit_reference(method, [*patches, inked])
    for name, values in odd.reference.items():
        spread = np.std([method_class(method).estimate(p)[name] for p in patches], axis=0)
        assert (np.abs(np.array(values) - reference.reference[name]) <= 2 * spread + 1e-3).all()


@ALL
def test_fit_without_tissue_says_so(method):
    with pytest.raises(DataError, match='none of 2 pictures has enough stained tissue'):
        fit_reference(method, [flat((255, 255, 255)), flat((0, 0, 0))])


@ALL
def test_references_go_through_json_and_stay_the_same(method, references):
    import json

    reference = StainReference(method, references[method].reference, {'slides': 3})
    content = json.loads(json.dumps(reference.to_dict()))
    again = StainReference.from_dict(content)
    assert again == reference and again.to_dict() == content
    assert again.same_numbers(references[method]) and again != references[method]


@pytest.mark.parametrize(
    'content',
    [
        None,
        [],
        'macenko',
        {'method': 'macenko'},
        {'method': 'macenko', 'reference': {}, 'code': 'x'},
        {'method': 'unknown', 'reference': {}},
        {'method': ['macenko'], 'reference': {}},
        {'method': 'macenko', 'reference': None},
        {'method': 'macenko', 'reference': [1, 2]},
        {'method': 'macenko', 'reference': {'stains': [[1, 0, 0]], 'maxima': [1, 1]}},
        {'method': 'macenko', 'reference': {'stains': [[1, 0, 0], [1, 0]], 'maxima': [1, 1]}},
        {'method': 'macenko', 'reference': {'stains': [[1, 0, 0], [1, 0, 0]], 'maxima': [1, 1]}},
        {'method': 'macenko', 'reference': {'stains': [[1, 0, 0], [0, 1, 0]], 'maxima': [1, 0]}},
        {'method': 'macenko', 'reference': {'stains': [[0, 0, 0], [0, 1, 0]], 'maxima': [1, 1]}},
        {'method': 'reinhard', 'reference': {'mean': [0, 0, 0], 'std': [1, 1, float('nan')]}},
        {'method': 'reinhard', 'reference': {'mean': [1e30, 0, 0], 'std': [1, 1, 1]}},
        {'method': 'reinhard', 'reference': {'mean': ['a', 0, 0], 'std': [1, 1, 1]}},
        {'method': 'reinhard', 'reference': {'mean': [0, 0, 0], 'std': [1, 1, 1], 'x': 1}},
        {'method': 'reinhard', 'reference': {'mean': [0, 0, 0], 'std': [1, 1, 1]}, 'fitted_on': 3},
    ],
)
def test_damaged_references_are_config_errors_of_one_line(content):
    with pytest.raises(ConfigError) as caught:
        StainReference.from_dict(content)
    assert '\n' not in str(caught.value)


def test_middle_is_number_by_number():
    found = middle(
        [{'a': np.array([1.0, 9.0])}, {'a': np.array([2.0, 8.0])}, {'a': np.array([30.0, 7.0])}]
    )
    assert found['a'].tolist() == [2.0, 8.0]
