from __future__ import annotations

import pytest
import torch
from contrast_ranks import CASES, ROWS, TwoSided, inputs, plain, same_gradients

from cite.contrast.gather import average_gradients, gather_batch, world_size


def equal_to_one_process(number, results):
    model = TwoSided()
    expected = plain(model, *CASES[number], slice(0, ROWS))
    (loss, gradients), (other_loss, other_gradients) = results
    torch.testing.assert_close((loss + other_loss) / 2, expected)
    assert loss != other_loss  # of its own rows
    same_gradients(gradients, model.gradients())
    same_gradients(other_gradients, model.gradients())


@pytest.mark.parametrize('how', ['averaged', 'cached'])
@pytest.mark.parametrize('number', range(len(CASES)))
def test_two_processes_compute_the_loss_and_gradient_of_one(two_processes, number, how):
    equal_to_one_process(number, [rank[f'{number} {how}'] for rank in two_processes])


@pytest.mark.slow
@pytest.mark.parametrize('how', ['uncached', 'cached, one', 'cached, each'])
@pytest.mark.parametrize('number', range(len(CASES)))
def test_so_do_they_in_ddp(two_ddp_processes, number, how):
    equal_to_one_process(number, [rank[f'{number} {how}'] for rank in two_ddp_processes])


def test_negatives_of_the_other_process_count(two_processes):
    alone = plain(TwoSided(), *CASES[0], slice(0, ROWS // 2))
    assert two_processes[0]['0 averaged'][0] > alone + 0.1


def test_unequal_batches_are_refused_in_every_process(two_processes):
    for rank in two_processes:
        assert 'found (by rank) 3 × 2, 4 × 2; let the sampler drop' in rank['unequal']
        assert '3 × 2, 3 × 2 with groups' in rank['groups in one only']


def test_gradients_used_by_some_processes_are_averaged(two_processes):
    for rank in two_processes:
        both, one, none, frozen = rank['used by one']
        assert both.tolist() == [1.5, 4.5]
        assert one.tolist() == [0.5, 0.5]
        assert none is None
        assert frozen is None


def test_nothing_happens_in_one_process():
    images, texts = inputs()
    whole = gather_batch(images, texts)
    assert whole.images is images
    assert whole.texts is texts
    assert whole.groups is None
    assert (whole.first, world_size()) == (0, 1)
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = gradient = torch.ones(2)
    average_gradients([parameter])
    assert parameter.grad is gradient
