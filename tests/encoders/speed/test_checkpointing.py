from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_images, tiny_tower

from cite.frozen import trainable
from cite.precision import autocast


def gradients(tower, precision):
    kept = []
    torch.manual_seed(0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        with autocast(precision, 'cpu'):
            features = tower.train()(tiny_images(4))
        features.float().square().sum().backward()
    grads = {name: weight.grad for name, weight in trainable(tower).items()}
    return grads, sum(t.nbytes for t in kept if not isinstance(t, torch.nn.Parameter))


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize(
    'tuning',
    [
        {'type': 'VisualPrompt', 'init': 'normal'},
        {'type': 'LoRA', 'dropout': 0.3},
        {'type': 'HoulsbyAdapter'},
        {'type': 'FullFineTuning'},
    ],
)
def test_gradients_are_the_same_and_less_is_kept(monkeypatch, tuning, precision):
    monkeypatch.setattr('cite.precision.pays', lambda: True)  # both passes compute attention alike
    made = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        tower = tiny_tower(tuning)
        tower.checkpointing = checkpointing
        made.append(gradients(tower, precision))
    (plain, much), (again, little) = made
    assert plain.keys() == again.keys() and len(plain) > 0
    for name, grad in plain.items():
        assert torch.equal(again[name], grad), name
    assert little < much / 2


def test_blocks_in_front_of_the_first_trained_weight_are_not_repeated():
    runs = []
    tower = tiny_tower({'type': 'LastBlocks', 'k': 1})
    for index, block in enumerate(tower.blocks):
        block.register_forward_pre_hook(lambda *_, n=index: runs.append(n))
    tower.checkpointing = True
    tower(tiny_images(2)).sum().backward()
    assert runs == [0, 1, 2, 2]
