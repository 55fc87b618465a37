"""How good retrieval is: recall@k, precision@k, mAP, mAP@k, median rank, and what chance would give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cite.data.table import some
from cite.errors import ConfigError, DataError
from cite.retrieval.ranks import Ranked, chance, rank
from cite.retrieval.units import check_features, lengths, unit_rows

KS = (1, 5, 10)
CELLS = 2**20
"""Similarities that are ranked at a time."""

Block = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]
"""Scores, right, allowed: (q, C) each."""


def pair_metrics(
    images: NDArray[Any],
    texts: NDArray[Any],
    image_groups: NDArray[Any],
    text_groups: NDArray[Any],
    ks: Sequence[int] = KS,
    max_queries: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, dict[str, float]]:
    """Text to image and image to text, where images may share a text, and a text has several writings.

    Rows of one group are one text: one query and one candidate, whose similarity to an image is the
    largest cosine of its rows (as in `cite.contrast.recall_at_k`, with which recall@k agrees). A hit is
    an image of the query's group, or the group of the query's image. An image whose group has no text, and
    a text without image, asks nothing but is a candidate.

    Args:
        images: (N, D) features of any length; cosines are compared.
        texts: (M, D).
        image_groups: (N,) whole number of each image's text.
        text_groups: (M,) whole number of each text.
        ks: Cut-offs.
        max_queries: Of each direction at most so many, drawn at random; None: all.
        seed: Of that draw.
        progress: Whether a bar may come after two seconds.

    Returns:
        'text_to_image' and 'image_to_text', each as `image_metrics` gives it.

    Raises:
        ConfigError: An impossible k.
        DataError: Features that do not fit or have no direction, or no group with both.
    """
    ks = _cutoffs(ks)
    image_units, text_units = _units(images, 'images'), _units(texts, 'texts')
    if image_units.shape[1] != text_units.shape[1]:
        raise DataError(
            f'images have {image_units.shape[1]} features, texts {text_units.shape[1]}; they must be of '
            'one space'
        )
    of_image = _numbers('image_groups', image_groups, len(image_units))
    of_text = _numbers('text_groups', text_groups, len(text_units))
    order = np.argsort(of_text, kind='stable')
    groups, starts = np.unique(of_text[order], return_index=True)
    text_units = text_units[order]
    asking_images = np.isin(of_image, groups).nonzero()[0]
    asking_groups = np.isin(groups, of_image).nonzero()[0]
    if not len(asking_groups):
        raise DataError(
            'retrieval is measured on groups with both an image and a text, found none: images are of '
            f'{some(np.unique(of_image).tolist())}, texts of {some(groups.tolist())}'
        )
    rng = np.random.default_rng(seed)
    asking_groups = _draw(asking_groups, max_queries, rng)
    asking_images = _draw(asking_images, max_queries, rng)
    ends = np.append(starts[1:], len(text_units))

    def by_text(rows: NDArray[np.int64]) -> Block:
        texts_of = np.concatenate([np.arange(starts[g], ends[g]) for g in rows])
        cuts = np.cumsum([0, *(ends[rows] - starts[rows])])[:-1]
        scores = np.maximum.reduceat(text_units[texts_of] @ image_units.T, cuts, axis=0)
        right = of_image == groups[rows, None]
        return scores, right, np.ones_like(right)

    def by_image(rows: NDArray[np.int64]) -> Block:
        scores = np.maximum.reduceat(image_units[rows] @ text_units.T, starts, axis=1)
        right = of_image[rows, None] == groups
        return scores, right, np.ones_like(right)

    return {
        'text_to_image': _measure(
            by_text, asking_groups, len(image_units), ks, 'text to image', progress
        ),
        'image_to_text': _measure(
            by_image, asking_images, len(text_units), ks, 'image to text', progress
        ),
    }


def image_metrics(
    features: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[Any] | None = None,
    ks: Sequence[int] = KS,
    max_queries: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, float]:
    """Image to image: each image asks, a hit is an image with its label.

    The query is no candidate, and no patch of its own slide or patient (`groups`) is: those are near for
    reasons that no other patient shares (staining, scanner, the same gland). A query that then has no right
    candidate is left out, and counted.

    Args:
        features: (N, D) of any length.
        labels: (N,) class of each.
        groups: (N,) slide or patient of each; None: not known, only the query itself is left out.
        ks: Cut-offs.
        max_queries: At most so many, drawn at random; None: all.
        seed: Of that draw.
        progress: Whether a bar may come after two seconds.

    Returns:
        For each k `recall@k` (a hit is among the first k), `precision@k`, `map@k` (average precision of
        the first k, over the smaller of k and the number of right ones); `map`, `median_rank` (of the
        first hit); each again as `chance_…`, for candidates in random order; `queries`,
        `left_out`, `candidates` (mean). Means over queries but for the median. Candidates with equal
        cosines count as every order being equally likely.

    Raises:
        ConfigError: An impossible k.
        DataError: Columns that do not fit, features without a direction, no query with a right one.
    """
    ks = _cutoffs(ks)
    units = _units(features, 'images')
    label = np.unique(_column('labels', labels, len(units)), return_inverse=True)[1]
    place = np.arange(len(units))
    group = place if groups is None else _column('groups', groups, len(units))
    group = np.unique(group, return_inverse=True)[1]

    per_label = np.bincount(label)
    both = np.unique(np.stack([label, group], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    right = per_label[label] - np.bincount(both)[both]
    asking = (right > 0).nonzero()[0]
    if not len(asking):
        raise DataError(
            'image-to-image retrieval needs a class with images of two slides, found none; a patch of the '
            "query's own slide is no candidate"
        )

    def block(rows: NDArray[np.int64]) -> Block:
        allowed = group[rows, None] != group
        return units[rows] @ units.T, label[rows, None] == label, allowed

    drawn = _draw(asking, max_queries, np.random.default_rng(seed))
    found = _measure(block, drawn, len(units), ks, 'image to image', progress)
    return {**found, 'left_out': len(units) - len(asking)}


def _measure(
    block: Callable[[NDArray[np.int64]], Block],
    asking: NDArray[np.int64],
    width: int,
    ks: list[int],
    title: str,
    progress: bool,
) -> dict[str, float]:
    parts: list[Ranked] = []
    right: list[NDArray] = []
    candidates: list[NDArray] = []
    for rows in _blocks(asking, width, title, progress):
        scores, hits, allowed = block(rows)
        parts.append(rank(scores, hits, allowed, ks))
        right.append((hits & allowed).sum(axis=1))
        candidates.append(allowed.sum(axis=1))
    found = Ranked(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    count = np.concatenate(candidates)
    by_chance = chance(np.concatenate(right), count, ks)
    measured = _summary(found, ks)
    return {
        **measured,
        **{f'chance_{name}': value for name, value in _summary(by_chance, ks).items()},
        'queries': len(asking),
        'candidates': float(count.mean()),
    }


def _summary(found: Ranked, ks: list[int]) -> dict[str, float]:
    values = {f'recall@{k}': found.hit[:, at].mean() for at, k in enumerate(ks)}
    values |= {f'precision@{k}': found.precision[:, at].mean() for at, k in enumerate(ks)}
    values |= {f'map@{k}': found.ap_at[:, at].mean() for at, k in enumerate(ks)}
    values |= {'map': found.ap.mean(), 'median_rank': np.median(found.rank)}
    return {name: float(value) for name, value in values.items()}


def _blocks(
    asking: NDArray[np.int64], width: int, title: str, progress: bool
) -> Iterator[NDArray[np.int64]]:
    size = max(1, CELLS // width)
    with tqdm(desc=title, total=len(asking), unit='query', delay=2, disable=not progress) as bar:
        for start in range(0, len(asking), size):
            yield asking[start : start + size]
            bar.update(min(size, len(asking) - start))


def _draw(
    asking: NDArray[np.int64], most: int | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    if most is None or most >= len(asking):
        return asking
    return np.sort(rng.choice(asking, most, replace=False))


def _cutoffs(ks: Sequence[int]) -> list[int]:
    wrong = [k for k in ks if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1]
    if wrong or not len(ks):
        raise ConfigError(f'cut-offs k must be whole numbers of at least 1, found {some(wrong)}')
    return [int(k) for k in ks]


def _units(features: NDArray[Any], what: str) -> NDArray[np.float32]:
    features = np.asarray(features)
    names = [str(row) for row in range(len(features))]
    check_features(features, names)
    return unit_rows(features, lengths(features, names, what))


def _column(what: str, values: Any, rows: int) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (rows,):
        raise DataError(f'expected {what} for each of {rows} rows, found {column.shape}')
    return column


def _numbers(what: str, values: Any, rows: int) -> NDArray[np.int64]:
    column = _column(what, values, rows)
    if not np.issubdtype(column.dtype, np.integer):
        raise DataError(f'expected {what} as whole numbers, found {column.dtype}')
    return column.astype(np.int64)
