"""Which patches a report shows: a fixed, even draw of right and wrong predictions."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from cite.evaluation.predictions import Predictions


def choose_patches(predictions: Predictions, count: int) -> tuple[list[int], list[int]]:
    """Rows to show, (right, wrong): half and half where there are enough of each.

    Classes take turns, so that each of at most `count` classes that has patches is shown; within a
    class slides take turns. The order otherwise is that of a digest of the file name: as good as a
    random draw, the same on every machine and for every order of rows.

    Returns:
        Two lists of row indices, `min(count, N)` in all.
    """
    hit = predictions.predicted == predictions.labels
    n_wrong = min(int((~hit).sum()), max(count // 2, count - int(hit.sum())))
    n_right = min(int(hit.sum()), count - n_wrong)
    shown: dict[int, int] = defaultdict(int)
    # the side with less to choose from goes first, so that the other can make up for its classes
    wrong: list[int] = []
    right: list[int] = []
    sides = [(wrong, ~hit, n_wrong), (right, hit, n_right)]
    for chosen, mask, size in sorted(sides, key=lambda side: int(side[1].sum())):
        queues = _queues(predictions, np.flatnonzero(mask))
        while len(chosen) < size:
            label = min((key for key in queues if queues[key]), key=lambda key: (shown[key], key))
            chosen.append(queues[label].pop())
            shown[label] += 1
    return right, wrong


def _queues(predictions: Predictions, rows: np.ndarray) -> dict[int, list[int]]:
    """Per class, its rows, the first to show last."""
    digests = {
        int(row): hashlib.sha256(predictions.files[row].encode()).hexdigest() for row in rows
    }
    turn: dict[str, int] = defaultdict(int)
    ranked: list[tuple[int, str, int]] = []
    for row in sorted(digests, key=lambda row: digests[row]):
        ranked.append((turn[predictions.slides[row]], digests[row], row))
        turn[predictions.slides[row]] += 1
    queues: dict[int, list[int]] = defaultdict(list)
    for _, _, row in sorted(ranked, reverse=True):
        queues[int(predictions.labels[row])].append(row)
    return queues
