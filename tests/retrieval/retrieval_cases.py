"""Cases of retrieval, and their figures the slow and obvious way: all orders of equal candidates."""

from __future__ import annotations

from itertools import permutations

import numpy as np

# directions whose cosines are equal or far apart
CORNERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1], [-1, 0, 0]])
KS = (1, 2, 3, 7)


def cosine(a, b):
    return round(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), 5)


def orders(similarities):
    """All rankings that the similarities allow."""
    for order in permutations(range(len(similarities))):
        values = [similarities[i] for i in order]
        if values == sorted(values, reverse=True):
            yield order


def figures_of_query(similarities, right):
    """What one query is worth, the mean over all orders."""
    found = []
    for order in orders(similarities):
        hits = [right[i] for i in order]
        precisions = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
        gains = [p * hit for p, hit in zip(precisions, hits, strict=True)]
        values = {'map': sum(gains) / sum(hits), 'rank': hits.index(True) + 1}
        for k in KS:
            values[f'recall@{k}'] = float(any(hits[:k]))
            values[f'precision@{k}'] = sum(hits[:k]) / min(k, len(hits))
            values[f'map@{k}'] = sum(gains[:k]) / min(sum(hits), k)
        found.append(values)
    return {name: np.mean([values[name] for values in found]) for name in found[0]}


def figures(queries):
    """Of (similarities, right) of many queries; chance is a ranking in which all are equal."""
    measured = {}
    for prefix, flat in (('', False), ('chance_', True)):
        each = [figures_of_query([0] * len(s) if flat else s, right) for s, right in queries]
        ranks = [values.pop('rank') for values in each]
        measured |= {prefix + name: np.mean([v[name] for v in each]) for name in each[0]}
        measured[f'{prefix}median_rank'] = np.median(ranks)
    return measured


def clustered(rows=600, dim=16, clusters=12, seed=0):
    """Features in clusters, of different lengths."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dim))
    found = centres[rng.integers(0, clusters, rows)] + rng.normal(0, 0.4, (rows, dim))
    return (found * rng.uniform(0.1, 9, (rows, 1))).astype(np.float32)


def nearest(features, queries, k):
    """Cosines and rows, by sorting all of them in double precision."""
    features, queries = (
        np.asarray(v, np.float64) / np.linalg.norm(np.asarray(v, np.float64), axis=1, keepdims=True)
        for v in (features, queries)
    )
    cosines = queries @ features.T
    rows = np.argsort(-cosines, axis=1, kind='stable')[:, :k]
    return np.take_along_axis(cosines, rows, 1), rows
