from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from stained_tissue import mean_density, picture, tissue

from cite.data import seeded
from cite.data.stain_jitter import StainJitter
from cite.errors import ConfigError
from cite.images import to_uint8_tensor
from cite.images.stain.density import optical_density

KINDS = pytest.mark.parametrize('kind', ['pil', 'tensor'])


def as_kind(kind, image=None):
    image = picture() if image is None else image
    return image if kind == 'pil' else to_uint8_tensor(image)


def drawn(jitter, image, number):
    with seeded(0, number):
        return to_uint8_tensor(jitter(image))


@KINDS
def test_without_sigma_nothing_changes(kind):
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.integers(0, 256, (3, 40, 40)).astype(np.uint8))
    for image in (as_kind(kind), noise):
        out = drawn(StainJitter(0), image, 1).int()
        assert (out - to_uint8_tensor(image).int()).abs().max() <= 1


@KINDS
def test_is_a_function_of_torchs_generator_alone(kind):
    jitter = pickle.loads(pickle.dumps(StainJitter(0.2)))
    image = as_kind(kind)
    first, again, other = (drawn(jitter, image, number) for number in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first, drawn(jitter, as_kind('pil'), 1))
    before = np.random.get_state()[1].copy()
    jitter(image)
    assert (np.random.get_state()[1] == before).all()


def test_the_picture_that_came_in_stays_as_it_was():
    tensor = as_kind('tensor')
    before = tensor.clone()
    out = StainJitter(0.3)(tensor)
    assert torch.equal(tensor, before) and out.dtype == torch.uint8 and out.shape == tensor.shape


def test_densities_vary_by_about_sigma():
    spread = {}
    for sigma in (0.05, 0.2):
        densities = [
            mean_density(drawn(StainJitter(sigma), picture(), n).permute(1, 2, 0).numpy())
            for n in range(60)
        ]
        spread[sigma] = np.std(densities, axis=0)
        assert np.abs(np.mean(densities, axis=0) - mean_density(tissue())).max() < 0.5 * sigma
    assert (spread[0.05] > 0.01).all() and (spread[0.05] < 0.1).all()
    assert (spread[0.2] > 2.5 * spread[0.05]).all()


def test_dyes_change_independently():
    """A grey filter would change all channels alike; so would one factor for all dyes."""
    changes = np.array(
        [
            mean_density(drawn(StainJitter(0.2), picture(), n).permute(1, 2, 0).numpy())
            for n in range(60)
        ]
    )
    changes -= changes.mean(axis=0)
    singular = np.linalg.svd(changes, compute_uv=False)
    assert singular[2] > 0.1 * singular[0]


def test_amounts_are_scaled_and_not_only_shifted():
    """A shift moves thin and thick tissue alike; what lies between them only a factor changes."""
    thin, thick = (180, 120, 170), (110, 40, 90)
    image = torch.tensor([thin, thick], dtype=torch.uint8).T.reshape(3, 1, 2).contiguous()
    factors = []
    for number in range(100):
        out = optical_density(drawn(StainJitter(0.2), image, number)[:, 0].T.numpy())
        before = optical_density(image[:, 0].T.numpy())
        factors.append((out[1] - out[0]).sum() / (before[1] - before[0]).sum())
    assert 0.75 < min(factors) < 0.9 and 1.1 < max(factors) < 1.25


@pytest.mark.parametrize('sigma', [0.05, 0.3])
def test_glass_stays_nearly_white(sigma):
    glass = torch.tensor([244, 241, 236], dtype=torch.uint8).view(3, 1, 1).expand(3, 8, 8)
    white = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    for number in range(40):
        assert (drawn(StainJitter(sigma), white, number) == 255).all()
        change = drawn(StainJitter(sigma), glass, number).int() - glass.int()
        assert change.abs().max() <= 2 + 40 * sigma


def test_black_and_tiny_pictures():
    for value in (0, 255, 130):
        out = drawn(StainJitter(1.0), torch.full((3, 1, 1), value, dtype=torch.uint8), 3)
        assert out.shape == (3, 1, 1)


@pytest.mark.parametrize('sigma', [-0.1, 1.5, float('nan')])
def test_sigma_is_checked(sigma):
    with pytest.raises(ConfigError, match='sigma must be 0 to 1'):
        StainJitter(sigma)
