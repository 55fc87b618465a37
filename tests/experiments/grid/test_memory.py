from __future__ import annotations

import numpy as np
import torch
from tiny_models import CLASSES, tiny_anchors

from cite.experiments.grid.memory import cost, parts
from cite.experiments.grid.points import GridPoint, groups_of
from cite.experiments.grid.starts import start_groups
from cite.heads.tip_adapter import TipAdapterHead

DIM, BATCH = 24, 8


def make(seed):
    anchors = tiny_anchors(DIM)
    head = TipAdapterHead(anchors.texts, anchors=anchors, trains=True)
    head.attach(DIM, CLASSES)
    return None, head


def test_parts_hold_equal_shapes_and_keep_to_the_limit():
    features, labels = torch.randn(90, DIM), torch.arange(90) % 3
    points = [
        GridPoint(np.arange(3 * k), seed, 1e-3, decay)
        for k in (2, 4)
        for seed in (0, 1, 2)
        for decay in np.linspace(0, 1, 4 if seed else 9)
    ]
    model, shared, starts = start_groups(make, groups_of(points, 90), features, labels)
    assert 'head.anchors' in shared and 'head.cache.keys' not in shared
    costs = {start.shapes: cost(model, shared, start, features[:BATCH]) for start in starts}
    small, large = (costs[start.shapes] for start in starts[:2])
    # of six keys: five times the keys; and at the least the similarities, there and back
    assert small.member >= 5 * 6 * DIM * 4 + 2 * BATCH * 6 * 4
    assert small.member < large.member < 3 * small.member
    assert small.group >= BATCH * DIM * 4
    limit = large.group + 5 * large.member
    found = parts(starts, costs, limit)
    for part in found:
        assert len({(start.shapes, len(start.group.members)) for start in part}) == 1
        each = costs[part[0].shapes]
        assert sum(each.group + len(s.group.members) * each.member for s in part) <= limit
    members = [m for part in found for start in part for m in start.group.members]
    assert sorted(members) == list(range(len(points)))
    assert any(len(part) > 1 for part in found)
    lonely = parts(starts, costs, 1)
    assert [len(part[0].group.members) for part in lonely] == [1] * len(points)
