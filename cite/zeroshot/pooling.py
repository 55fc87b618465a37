"""Cosines of images to classes, where a class has several sentences.

Poolings differ in what is averaged:

- 'embeddings': the sentences of a class are averaged to one direction, whose cosine counts: with unit
  vectors t_1 … t_S, cos(x, Σ t_s). Prompt ensembling of CLIP (Radford et al., ICML 2021, section 3.1.4),
  as UniMed-CLIP and CONCH do it too.
- 'cosines': the mean of the cosines, Σ cos(x, t_s) / S. A class whose sentences disagree gets smaller
  ones, so images prefer classes with sentences that agree. For concepts of a class, each with a say
  (WhyXrayCLIP, WhyLesionCLIP: Yang et al., NeurIPS 2024).
- 'max': the cosine to the sentence that fits best, for synonyms of which one will do.

The scale of a model multiplies the result to give logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cite.errors import ConfigError, DataError

POOLINGS = ('embeddings', 'cosines', 'max')
TOLERANCE = 0.01
"""How far a length may be from 1: vectors kept in half precision still pass."""
_ROWS = 1 << 22
"""Numbers of a block of products, at most: 16 MiB."""


def class_cosines(
    images: np.ndarray, sentences: Sequence[np.ndarray], pooling: str = 'embeddings'
) -> np.ndarray:
    """How well each image goes with each class.

    Args:
        images: (N, D) of unit length; may be memory-mapped, and is read in blocks.
        sentences: Of each of the C classes, (S_c, D) of unit length; numbers S_c may differ.
        pooling: One of `POOLINGS`.

    Returns:
        (N, C) float32, between -1 and 1.

    Raises:
        ConfigError: An unknown pooling.
        DataError: Arrays of other shapes, or vectors that are not of unit length.
    """
    classes = _checked(images, sentences, pooling)
    out = np.empty((len(images), len(classes)), np.float32)
    if pooling == 'max':
        for rows, block in _blocks(images, max(map(len, classes))):
            for number, own in enumerate(classes):
                out[rows, number] = (block @ own.T).max(axis=1)
        return out
    weights = np.stack([_mean(own, pooling) for own in classes]).astype(np.float32).T
    for rows, block in _blocks(images, len(classes)):
        out[rows] = block @ weights
    return out


def template_cosines(
    images: np.ndarray,
    sentences: Sequence[np.ndarray],
    templates: int,
    pooling: str = 'embeddings',
) -> Iterator[np.ndarray]:
    """The cosines that each template gives on its own; what a table per template is made of.

    Args:
        images: (N, D) of unit length.
        sentences: Of each class, (texts × templates, D) of unit length, all templates of its first text
            first: the order of `cite.anchors.ensemble.class_sentences`.
        templates: How many there are, T.
        pooling: Over the texts of a class, where it has several.

    Yields:
        T times (N, C) float32, one at a time: memory does not grow with T.

    Raises:
        ConfigError, DataError: As `class_cosines`, or a class whose sentences are no multiple of T.
    """
    classes = _checked(images, sentences, pooling)
    for number, own in enumerate(classes):
        if templates < 1 or len(own) % templates:
            raise DataError(
                f'class {number} has {len(own)} sentences, which is no multiple of {templates} templates'
            )
    return (
        class_cosines(images, [own[start::templates] for own in classes], pooling)
        for start in range(templates)
    )


def _mean(own: np.ndarray, pooling: str) -> np.ndarray:
    """What takes the place of a class's sentences: (D,) float64."""
    mean: np.ndarray = own.astype(np.float64).mean(axis=0)
    if pooling == 'cosines':
        return mean  # the mean of products is the product with the mean
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def _blocks(images: np.ndarray, columns: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of images in float32, as many as keep the product with `columns` small."""
    step = max(1, _ROWS // max(columns, images.shape[1]))
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        block = np.asarray(images[rows], np.float32)
        _check_lengths(block, 'image', start)
        yield rows, block


def _checked(images: np.ndarray, sentences: Sequence[np.ndarray], pooling: str) -> list[np.ndarray]:
    if pooling not in POOLINGS:
        raise ConfigError(f'pooling {pooling!r}: expected one of {", ".join(POOLINGS)}')
    if images.ndim != 2:
        raise DataError(f'images: expected vectors (N, D), found shape {images.shape}')
    if not len(sentences):
        raise DataError('no classes: expected the vectors of the sentences of one class or more')
    classes = [np.asarray(own, np.float32) for own in sentences]
    for number, own in enumerate(classes):
        if own.ndim != 2 or not len(own) or own.shape[1] != images.shape[1]:
            raise DataError(
                f'class {number}: expected vectors (1 or more, {images.shape[1]}) of its sentences, as '
                f'long as those of the images; found shape {own.shape}'
            )
        _check_lengths(own, f'class {number}, sentence', 0)
    return classes


def _check_lengths(vectors: np.ndarray, what: str, start: int) -> None:
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = ~(np.abs(lengths - 1) <= TOLERANCE)  # so that NaN is wrong
    if wrong.any():
        first = int(wrong.argmax())
        raise DataError(
            f'{what} {start + first}: a vector of length {lengths[first]:.4g}, expected unit length. '
            'Features of a file are stored as they come: divide each by its length'
        )
