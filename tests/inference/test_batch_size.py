from __future__ import annotations

import logging

import pytest
import torch

from cite.errors import ConfigError, ModelError
from cite.inference.batch_size import CPU_SIZE, MOST, BatchSize, fitting, out_of_memory
from cite.inference.batched import outputs

CPU = torch.device('cpu')
MESSAGES = (
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you "
        'tried to allocate 99 bytes. Error code 12 (Cannot allocate memory)'
    ),
    RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes.'),
    torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.'),
)


class Limited:
    """Squares of its input, where that is no more than `most` rows."""

    def __init__(self, most: int, error: RuntimeError = MESSAGES[0]) -> None:
        self.most, self.error = most, error
        self.sizes: list[int] = []

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(batch))
        if len(batch) > self.most:
            raise self.error
        return batch.float() ** 2


@pytest.mark.parametrize('error', MESSAGES, ids=['linux', 'other', 'cuda'])
def test_memory_that_does_not_last_halves_the_batch_and_loses_nothing(error, caplog):
    images = torch.arange(50.0)[:, None]
    module, size = Limited(5, error), BatchSize(16, CPU)
    with caplog.at_level(logging.WARNING):
        found = torch.cat(list(outputs(module, images.split(16), size)))
    assert torch.equal(found, images**2)
    assert module.sizes == [16, 8] + [4] * 12 + [2]  # once found, the size holds
    assert [r.getMessage() for r in caplog.records] == [
        'out of memory on cpu with 16 images at once; going on with 8',
        'out of memory on cpu with 8 images at once; going on with 4',
    ]


def test_memory_that_does_not_last_for_one_image_is_told():
    with pytest.raises(ModelError, match=r'memory of cpu .* single image .* smaller model'):
        list(outputs(Limited(0), torch.ones(3, 1).split(3), BatchSize(4, CPU)))


def test_other_errors_stay_what_they_are():
    module = Limited(0, RuntimeError('mat1 and mat2 shapes cannot be multiplied'))
    with pytest.raises(RuntimeError, match='mat1'):
        list(outputs(module, torch.ones(3, 1).split(3), BatchSize(4, CPU)))
    assert module.sizes == [3]


def test_what_torch_itself_says_is_understood():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60)
    assert out_of_memory(error.value)


def test_the_size_fits_into_half_of_what_is_free():
    assert fitting(each=10, free=1000) == 32  # 50 fit
    assert fitting(each=10, free=5) == 1
    assert fitting(each=1, free=1e12) == MOST


@pytest.mark.parametrize('size', [0, -3, 'all', 1.5, True])
def test_sizes_that_are_none(size):
    with pytest.raises(ConfigError, match='at least 1'):
        BatchSize(size, CPU)


def test_on_a_cpu_automatic_is_a_constant():
    assert BatchSize('auto', CPU).now == CPU_SIZE


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_a_gpu_the_first_batch_tells_the_size_of_the_rest():
    device = torch.device('cuda')
    size = BatchSize('auto', device)
    first = size.now

    def greedy(batch):  # an eighth of the free memory for the probe: 1/64 of it per image
        free = torch.cuda.mem_get_info()[0]
        torch.empty(free // 64 * len(batch), dtype=torch.uint8, device=device)
        return batch.to(device) * 2

    images = torch.arange(40.0)[:, None]
    found = torch.cat(list(outputs(greedy, images.split(first), size)))
    assert torch.equal(found, images * 2)
    assert 16 <= size.now <= 32
