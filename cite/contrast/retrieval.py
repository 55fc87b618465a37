"""Retrieval between images and texts where many images share a text: recall@k over texts, not rows.

The similarity of an image and a group is the largest cosine between the image and a text of the group,
in both directions. So a text that stands in many rows is one candidate and one query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cite.data.table import some
from cite.errors import ConfigError, DataError

TIE = 1e-6
"""Cosines that differ by no more are equal: float32 products differ by less with the order of the rows."""
BLOCK = 2**24
"""Similarities held at a time (64 MiB)."""

Values = Tensor | NDArray
"""What may be given for features and groups."""


def recall_at_k(
    images: Values,
    texts: Values,
    image_groups: Values,
    text_groups: Values,
    ks: Sequence[int] = (1, 5, 10),
    progress: bool = True,
) -> dict[str, float]:
    """Recall@k from images to texts and from texts to images.

    Image to text: each image asks; the candidates are the groups of `text_groups`, each once. A hit is
    the image's group among the k most similar. Text to image: each group asks once; the candidates are
    the images. A hit is any image of the group among the k most similar. An image whose group has no
    text, and a text without image, asks nothing but is a candidate.

    Of equally similar candidates (within `TIE`) every order counts as equally likely, and the result is
    the expected recall. So it depends on no order of rows, and a model that gives everything the same
    feature gets the chance level.

    Args:
        images: (N, D) features, of any length: cosines are compared.
        texts: (M, D). Repeated rows of a group change nothing, but take time.
        image_groups: (N,) whole number of each image's text.
        text_groups: (M,) whole number of each text.
        ks: Whole numbers of at least 1. A k beyond the candidates finds all.
        progress: Whether a bar may come after two seconds.

    Returns:
        For each k `image_to_text/recall@k`, `text_to_image/recall@k`, and what candidates in random order
        would give: `image_to_text/chance_recall@k`, `text_to_image/chance_recall@k`. Groups have different
        numbers of images, so chance is not k / N. All are fractions.

    Raises:
        ConfigError: an impossible k.
        DataError: shapes that do not fit together, features that are not finite, no group with both an
            image and a text.
    """
    wrong = [k for k in ks if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1]
    if wrong or not len(ks):
        raise ConfigError(f'recall@k needs whole numbers k of at least 1, found {some(wrong)}')
    images = _features('images', images)
    texts = _features('texts', texts).to(images.device)
    if images.shape[1] != texts.shape[1]:
        raise DataError(
            f'images have {images.shape[1]} features, texts {texts.shape[1]}; they must share a space'
        )
    groups = _Groups.of(
        _numbers('image_groups', image_groups, images), _numbers('text_groups', text_groups, texts)
    )
    found = _Ranks.of(images, texts, groups, progress)

    n, size = len(images), groups.size[groups.asking].cpu()
    recall: dict[str, float] = {}
    for k in ks:
        recall[f'image_to_text/recall@{k}'] = _hits(
            int(k), found.groups_above, torch.ones_like(found.groups_tied), found.groups_tied
        )
        recall[f'image_to_text/chance_recall@{k}'] = min(1.0, k / groups.n_candidates)
        recall[f'text_to_image/recall@{k}'] = _hits(
            int(k), found.images_above, found.own_tied, found.others_tied
        )
        recall[f'text_to_image/chance_recall@{k}'] = _hits(
            int(k), torch.zeros_like(size), size, n - size
        )
    return recall


def _hits(k: int, above: Tensor, right: Tensor, wrong: Tensor) -> float:
    """Mean probability that one of the `right` is among the first k behind the `above` wrong ones, where
    the `right` and `wrong` stand in random order: one minus the hypergeometric probability of none."""
    tied = right + wrong
    drawn = torch.minimum((k - above).clamp(min=0), tied)

    def log_factorial(n: Tensor) -> Tensor:
        return torch.lgamma(n.double() + 1)

    # C(wrong, drawn) / C(tied, drawn); where more are drawn than are wrong, a right one is among them
    none = torch.exp(
        log_factorial(wrong)
        - log_factorial((wrong - drawn).clamp(min=0))
        - log_factorial(tied)
        + log_factorial(tied - drawn)
    )
    return float(torch.where(drawn > wrong, 1.0, 1.0 - none).mean())


class _Groups(NamedTuple):
    """Groups as numbers 0 … G - 1: those that have a text first, the candidates."""

    images: Tensor
    """(N,) group of each image; n_candidates where it has no text."""
    texts: Tensor
    """(M,)"""
    n_candidates: int
    size: Tensor
    """(G,) number of images of each candidate."""
    asking: Tensor
    """(G,) bool: candidates with an image."""

    @classmethod
    def of(cls, images: Tensor, texts: Tensor) -> _Groups:
        candidates, of_texts = torch.unique(texts, return_inverse=True)
        n = len(candidates)
        of_images = torch.searchsorted(candidates, images).clamp(max=n - 1)
        of_images[candidates[of_images] != images] = n
        size = torch.bincount(of_images, minlength=n + 1)[:n]
        if not size.any():
            raise DataError(
                'recall@k needs groups with both an image and a text, found none: images are of '
                f'{some(images.unique().tolist())}, texts of {some(candidates.tolist())}'
            )
        return cls(of_images, of_texts, n, size, size > 0)


class _Ranks(NamedTuple):
    """How many wrong candidates stand above each query's best right one, and how many beside it."""

    groups_above: Tensor
    """(images that ask,)"""
    groups_tied: Tensor
    images_above: Tensor
    """(groups that ask,)"""
    others_tied: Tensor
    own_tied: Tensor
    """Right ones as good as the best, itself included: at least 1."""

    @classmethod
    def of(cls, images: Tensor, texts: Tensor, groups: _Groups, progress: bool) -> _Ranks:
        asks = groups.images < groups.n_candidates
        own = images.new_full((len(images),), -torch.inf)
        above, tied = torch.zeros_like(groups.images), torch.zeros_like(groups.images)
        for rows, block in _similarities(images, texts, groups, 'image to text', progress):
            group = groups.images[rows].clamp(max=groups.n_candidates - 1)
            own[rows] = score = block.gather(1, group[:, None])[:, 0]
            above[rows], tied[rows] = _compare(block, score[:, None], dim=1)
        own, of_own = own[asks], groups.images[asks]

        # a group's best image is already known from the images' own scores
        best = images.new_full((groups.n_candidates,), -torch.inf)
        best = best.scatter_reduce(0, of_own, own, 'amax')
        own_tied = torch.zeros_like(groups.size)
        own_tied.index_add_(0, of_own, (own >= best[of_own] - TIE).long())
        wrong_above, all_tied = torch.zeros_like(own_tied), torch.zeros_like(own_tied)
        for _rows, block in _similarities(images, texts, groups, 'text to image', progress):
            more, equal = _compare(block, best, dim=0)
            wrong_above += more
            all_tied += equal
        ask = groups.asking
        others_tied = (all_tied - own_tied).clamp(min=0)[ask]
        counts = above[asks], tied[asks] - 1, wrong_above[ask], others_tied, own_tied[ask]
        return cls(*(count.cpu() for count in counts))


def _compare(block: Tensor, score: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """How many values are above the score, and how many equal to it."""
    above = (block > score + TIE).sum(dim)
    return above, (block >= score - TIE).sum(dim) - above


def _similarities(
    images: Tensor, texts: Tensor, groups: _Groups, title: str, progress: bool
) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of images: their rows, and their similarities (rows, candidates) to all groups."""
    from tqdm import tqdm

    rows = max(1, BLOCK // groups.n_candidates)
    columns = max(1, BLOCK // min(rows, len(images)))
    for start in tqdm(
        range(0, len(images), rows), desc=title, unit='block', delay=2, disable=not progress
    ):
        cut = slice(start, min(start + rows, len(images)))
        block = images.new_full((cut.stop - start, groups.n_candidates), -torch.inf)
        for left in range(0, len(texts), columns):
            index = groups.texts[None, left : left + columns].expand(len(block), -1)
            cosines = images[cut] @ texts[left : left + columns].T
            block.scatter_reduce_(1, index, cosines, 'amax')
        yield cut, block


def _features(name: str, values: Values) -> Tensor:
    features = torch.as_tensor(values).detach()
    if features.ndim != 2 or not features.numel():
        raise DataError(f'recall@k needs {name} as (rows, dim), found {tuple(features.shape)}')
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    bad = (~features.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if bad:
        raise DataError(f'features of {name} are not finite in rows {some(bad)}')
    return torch.nn.functional.normalize(features, dim=1)


def _numbers(name: str, values: Values, features: Tensor) -> Tensor:
    numbers = torch.as_tensor(values)
    if (
        numbers.shape != features.shape[:1]
        or numbers.is_floating_point()
        or numbers.dtype == torch.bool
    ):
        raise DataError(
            f'recall@k needs {name} as {len(features)} whole numbers, one per row, found '
            f'{numbers.dtype} of {tuple(numbers.shape)}'
        )
    return numbers.to(features.device, torch.int64)
