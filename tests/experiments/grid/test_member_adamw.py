from __future__ import annotations

import pytest
import torch

from cite.experiments.grid import adamw
from cite.experiments.grid.adamw import MemberAdamW


@pytest.mark.parametrize('block', [10, 100, 2**17], ids=['parts of members', 'members', 'all'])
def test_members_are_updated_as_by_torch(block, monkeypatch):
    monkeypatch.setattr(adamw, '_BLOCK', block)
    steps, members = 7, 5
    draw = torch.Generator().manual_seed(0)
    rates = torch.tensor([1e-4, 1e-3, 1e-2, 1e-1, 1.0], dtype=torch.float64)
    decays = torch.tensor([0.0, 1e-2, 1.0, 0.1, 1e-3], dtype=torch.float64)
    weights = [torch.randn(members, 3, 9, generator=draw), torch.randn(members, 1, generator=draw)]
    gradients = [[torch.randn(w.shape, generator=draw) for w in weights] for _ in range(steps)]
    single = [[w[i].clone().requires_grad_() for w in weights] for i in range(members)]
    for i, own in enumerate(single):
        optimizer = torch.optim.AdamW(own, lr=float(rates[i]), weight_decay=float(decays[i]))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for now in gradients:
            for weight, gradient in zip(own, now, strict=True):
                weight.grad = gradient[i].clone()
            optimizer.step()
            schedule.step()
    together = MemberAdamW(weights, rates, decays, steps)
    for now in gradients:
        together.step([now[0].mT.contiguous().mT, now[1]])
    for place, weight in enumerate(weights):
        expected = torch.stack([own[place].detach() for own in single])
        torch.testing.assert_close(weight, expected, atol=1e-6, rtol=1e-6)
