"""What a ranking with ties is worth: expected values over all orders of candidates that are equal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from cite.contrast.retrieval import TIE


class Ranked(NamedTuple):
    """Of Q queries and K cut-offs; all float64.

    Attributes:
        hit: (Q, K) probability that a right candidate is among the first k: recall@k as CLIP's field
            uses the word.
        precision: (Q, K) expected share of right ones among the first k (of all candidates, where they
            are fewer).
        ap: (Q,) expected average precision.
        ap_at: (Q, K) the same of the first k, over min(right ones, k).
        rank: (Q,) expected rank of the first right candidate, from 1.
    """

    hit: NDArray[np.float64]
    precision: NDArray[np.float64]
    ap: NDArray[np.float64]
    ap_at: NDArray[np.float64]
    rank: NDArray[np.float64]


def rank(
    scores: NDArray[np.float32], right: NDArray[np.bool_], allowed: NDArray[np.bool_], ks: list[int]
) -> Ranked:
    """Worth of the rankings of a block of queries.

    Candidates in sorted order whose scores differ by at most `TIE` from the one before are equal. The
    expected average precision over their orders is that of McSherry & Najork (2008), "Computing information
    retrieval performance measures efficiently in the presence of tied scores".

    Args:
        scores: (Q, C).
        right: (Q, C) whether a candidate is a hit; each query has one at least among the allowed.
        allowed: (Q, C) whether a candidate takes part; the others are as if they were not there.
        ks: Cut-offs from 1.
    """
    scores = np.where(allowed, scores, -np.inf)
    order = np.argsort(-scores, axis=1)
    scores = np.take_along_axis(scores, order, 1)
    right = np.take_along_axis(right & allowed, order, 1)
    count = allowed.sum(axis=1)
    with np.errstate(invalid='ignore'):  # of those that do not take part, -inf - -inf
        new = scores[:, :-1] - scores[:, 1:] > TIE
    new = np.concatenate([np.ones((len(scores), 1), bool), new], axis=1)
    return _worth(new, right, count, ks)


def chance(right: NDArray[np.int64], candidates: NDArray[np.int64], ks: list[int]) -> Ranked:
    """Worth of a random order: (Q,) right ones among (Q,) candidates."""
    pairs, where = np.unique(np.stack([right, candidates], axis=1), axis=0, return_inverse=True)
    parts = []
    for hits, count in pairs.tolist():
        block = np.arange(count)[None] < hits
        parts.append(_worth(np.arange(count)[None] == 0, block, np.array([count]), ks))
    return Ranked(
        *(np.concatenate(values)[where.reshape(-1)] for values in zip(*parts, strict=True))
    )


def _worth(
    new: NDArray[np.bool_], right: NDArray[np.bool_], count: NDArray[np.int64], ks: list[int]
) -> Ranked:
    """Of sorted candidates; `new` says where a group of equal ones begins, `count` how many take part."""
    width = new.shape[1]
    place = np.arange(width)
    start = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    last = np.concatenate([new[:, 1:], np.ones((len(new), 1), bool)], axis=1)
    end = np.minimum.accumulate(np.where(last, place, width)[:, ::-1], axis=1)[:, ::-1]
    end = np.minimum(end, count[:, None] - 1)
    before = np.concatenate([np.zeros((len(new), 1), np.int64), right.cumsum(axis=1)], axis=1)
    above = np.take_along_axis(before, start, 1)  # right ones above the group
    hits = np.take_along_axis(before, np.maximum(end, start) + 1, 1) - above  # and in it
    size = np.maximum(end - start + 1, 1)
    share = np.where(place < count[:, None], hits / size, 0.0)  # probability of being right
    others = (
        (place - start) * (hits - 1) / np.maximum(size - 1, 1)
    )  # right ones in front, in the group
    gain = share * (above + 1 + others) / (place + 1)

    total = before[:, -1]
    first = np.take_along_axis(start, right.argmax(axis=1)[:, None], 1)[:, 0]
    at = (np.arange(len(new)), first)
    good, tied = hits[at], size[at]
    columns = [
        (
            _some_right(k - first, good, tied),
            share[:, :k].sum(axis=1) / np.minimum(k, count),
            gain[:, :k].sum(axis=1) / np.minimum(k, total),
        )
        for k in ks
    ]
    hit, precision, ap_at = (np.stack(values, axis=1) for values in zip(*columns, strict=True))
    return Ranked(hit, precision, gain.sum(axis=1) / total, ap_at, first + (tied + 1) / (good + 1))


def _some_right(drawn: NDArray, good: NDArray, tied: NDArray) -> NDArray[np.float64]:
    """Probability that one of the `good` is among the first `drawn` of `tied` in random order: one minus
    the hypergeometric probability of none, C(tied - good, drawn) / C(tied, drawn)."""
    drawn = np.clip(drawn, 0, tied)
    wrong = tied - good
    none = np.exp(
        gammaln(wrong + 1)
        - gammaln(np.maximum(wrong - drawn, 0) + 1)
        - gammaln(tied + 1)
        + gammaln(tied - drawn + 1)
    )
    return np.where(drawn > wrong, 1.0, 1.0 - none)
