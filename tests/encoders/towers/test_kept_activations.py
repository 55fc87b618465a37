"""What a forward pass keeps for the backward pass: nothing that no trained weight needs."""

from __future__ import annotations

import pytest
import torch
from tiny_models import DEPTH, PATCHES, WIDTH, tiny_images, tiny_tower

from cite.precision import autocast

BATCH = 2


def kept_of(tower, precision='fp32'):
    """Tensors that are kept, each memory once, without weights; and how many each block had kept before."""
    own = {weight.data_ptr() for weight in tower.parameters()}
    kept: dict[int, torch.Tensor] = {}
    before = []

    def keep(tensor):
        if tensor.data_ptr() not in own and tensor.ndim:
            kept.setdefault(tensor.data_ptr(), tensor)
        return tensor

    for block in tower.blocks:
        block.register_forward_pre_hook(lambda *_: before.append(len(kept)))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), autocast(precision, 'cpu'):
        tower.train()(tiny_images(BATCH))
    return list(kept.values()), before


@pytest.mark.parametrize(
    ('tuning', 'first'),
    [
        ({'type': 'VisualPrompt', 'layers': [2], 'init': 'normal'}, 2),
        ({'type': 'LastBlocks', 'k': 1}, 2),
        ({'type': 'LoRA', 'blocks': [1, 2]}, 1),
        ({'type': 'HoulsbyAdapter', 'blocks': [1]}, 1),
        ({'type': 'VisualPrompt', 'init': 'normal'}, 0),
    ],
)
def test_nothing_is_kept_in_front_of_the_first_trained_weight(tuning, first):
    kept, before = kept_of(tiny_tower(tuning))
    assert before[: first + 1] == [0] * (first + 1)
    assert len(kept) > 0


def test_nothing_at_all_where_nothing_trains():
    assert kept_of(tiny_tower())[0] == []


@pytest.mark.parametrize('hold', [False, True])
def test_frozen_layers_keep_no_input(monkeypatch, hold):
    """Of a block are kept: what enters its norms, queries, keys, values, and what enters the activation."""
    monkeypatch.setattr('cite.precision.pays', lambda: True)
    tower = tiny_tower({'type': 'VisualPrompt', 'init': 'normal'})
    if hold:
        tower.hold_frozen(torch.bfloat16)
    kept, _ = kept_of(tower, 'bf16')
    tokens = BATCH * (PATCHES + 2)  # of the class and of the prompt
    block = tokens * (2 * 4 + 3 * 2 + 4 * 2) * WIDTH  # float32, bf16, bf16
    statistics = DEPTH * 2 * 2 * 4 * tokens
    last = tokens * (4 * WIDTH + 8)
    found = sum(t.nbytes for t in kept if t.dtype in (torch.float32, torch.bfloat16))
    casts = 0 if hold else sum(w.numel() * 2 for w in frozen_matrices(tower))
    assert found == pytest.approx(DEPTH * block + statistics + last + casts, rel=0.02)


def frozen_matrices(tower):
    return [p for n, p in tower.trunk.blocks.named_parameters() if p.ndim == 2]
