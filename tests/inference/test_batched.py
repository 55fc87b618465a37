from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from tiny_models import tiny_tower

from cite.errors import ConfigError, DataError
from cite.inference.batched import outputs_of_images

CPU = torch.device('cpu')


@pytest.fixture
def pictures():
    return list(np.random.default_rng(0).integers(0, 256, (21, 40, 40, 3), dtype=np.uint8))


@pytest.fixture(scope='module')
def tower():
    return tiny_tower().eval()


def features(tower, images, **options):
    return torch.cat(list(outputs_of_images(tower, images, tower.resize, CPU, **options)))


def test_results_depend_on_neither_batches_nor_threads(tower, pictures):
    expected = features(tower, pictures, batch_size=21, workers=0)
    assert (expected[0] - expected[1]).abs().max() > 1e-2  # else the rest would hold of anything
    for batch_size in (1, 4, 'auto'):
        for workers in (0, 1, 3, None):
            found = features(tower, pictures, batch_size=batch_size, workers=workers)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(
        features(tower, pictures, batch_size=4, workers=3),
        features(tower, pictures, batch_size=4, workers=0),
    )


def test_precision_is_that_of_the_products_and_no_gradient_is_kept(tower, pictures):
    exact = features(tower, pictures[:4])
    rough = features(tower, pictures[:4], precision='bf16')
    assert rough.dtype == torch.float32 and not rough.requires_grad
    assert 0 < (rough - exact).abs().max() < 0.1 * exact.abs().max()
    with pytest.raises(ConfigError, match='fp16'):
        features(tower, pictures, precision='fp16')


def test_threads_end_when_the_caller_stops_or_fails(tower, pictures):
    def running():
        return [t for t in threading.enumerate() if t.name.startswith('cite-read')]

    parts = outputs_of_images(tower, pictures, tower.resize, CPU, 2, workers=2)
    next(parts)
    assert running()
    parts.close()
    assert not running()

    def broken(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(outputs_of_images(broken, pictures, tower.resize, CPU, 2, workers=2))
    assert not running()


@pytest.mark.parametrize('workers', [0, 2])
def test_a_bad_image_fails_when_its_turn_comes(tower, pictures, workers):
    images = [*pictures[:6], 'nowhere.png', *pictures[6:]]
    parts = outputs_of_images(tower, images, tower.resize, CPU, 2, workers=workers)
    assert len(next(parts)) == len(next(parts)) == 2
    with pytest.raises(DataError, match=r'nowhere\.png: no such file'):
        list(parts)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_a_gpu_gives_what_a_cpu_gives(tower, pictures):
    expected = features(tower, pictures)
    device = torch.device('cuda')
    there = tiny_tower().eval().to(device)
    for options in ({}, {'batch_size': 4, 'workers': 0}, {'batch_size': 3, 'workers': 4}):
        parts = outputs_of_images(there, pictures, there.resize, device, **options)
        torch.testing.assert_close(torch.cat(list(parts)), expected, atol=1e-3, rtol=1e-3)
