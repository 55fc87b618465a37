"""Two processes with half the batch each train what one does with all of it."""

from __future__ import annotations

import pytest
import torch
from pair_ranks import LAYOUTS, STEPS, run_rank, train_here
from pair_steps import same


def test_two_processes_train_what_one_does(tiny_pair, tmp_path, read_checkpoint):
    # forked, so that neither has to import everything once more
    torch.multiprocessing.start_processes(
        run_rank, (tiny_pair, str(tmp_path)), nprocs=2, start_method='fork'
    )
    ranks = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in (0, 1)]
    for layout in range(len(LAYOUTS)):
        one, recall = train_here(tiny_pair, 'one', layout, 6)
        assert len(one) == STEPS
        for step, (loss, gradients) in enumerate(one):
            halves = [rank[layout][0][step] for rank in ranks]
            assert halves[0][0] != halves[1][0]  # each of its own rows
            assert sum(half[0] for half in halves) / 2 == pytest.approx(loss, rel=1e-5)
            for _, found in halves:
                # later steps begin from weights that AdamW has carried apart by their rounding
                same(found, gradients, slack=1e-5 if step == 0 else 1e-4)
        states = []
        for folder in ('one', 'two'):
            checkpoint = read_checkpoint(tmp_path / f'{folder}{layout}' / f'iter_{STEPS}.pth')
            states.append(checkpoint['state_dict'])
        same(states[1], states[0], slack=1e-5)
        assert recall
        assert ranks[0][layout][1] == pytest.approx(recall)
