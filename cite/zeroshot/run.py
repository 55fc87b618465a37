"""Zero-shot classification of features: a class is the direction of its sentences, the nearest one wins.

CLIP (Radford et al., ICML 2021), section 3.1.4. Nothing here reads a file: features come in as an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cite.errors import ConfigError, DataError
from cite.zeroshot.classes import ClassTexts
from cite.zeroshot.measuring import measure
from cite.zeroshot.pooling import class_cosines
from cite.zeroshot.scores import ZeroShotScores

if TYPE_CHECKING:
    from cite.serving.space import Space
    from cite.zeroshot.prompts import PromptSet

__all__ = ['ZeroShotScores', 'measure', 'zero_shot']
BATCH = 256
"""Sentences encoded between two steps of the bar."""


def zero_shot(
    space: Space,
    features: np.ndarray,
    classes: ClassTexts,
    prompts: PromptSet,
    pooling: str = 'embeddings',
    truncate: bool = False,
    vectors: Sequence[np.ndarray] | None = None,
) -> ZeroShotScores:
    """Classifies features of images by texts.

    Args:
        space: Encodes the texts, and has the scale.
        features: (N, D) of images in that space, of any length; N >= 1.
        classes: Names and texts.
        prompts: Templates that the texts are put into.
        pooling: How the sentences of a class become one cosine: `cite.zeroshot.pooling.POOLINGS`.
        truncate: Cut sentences that are longer than the text tower takes; they are refused otherwise.
        vectors: What `class_vectors` gave for these texts; default: computed.

    Raises:
        DataError: No features, features of another length than the space's, or one that has no direction.
        ConfigError: A sentence that is too long, or an unknown pooling.
    """
    images = _unit(features, space)
    templates = tuple(prompts.templates)
    of_classes = vectors or class_vectors(space, classes, prompts, truncate)
    record = {
        'prompts': {
            'name': prompts.name,
            'source': prompts.source,
            'domain': prompts.domain,
            'templates': list(templates),
        },
        'classes': {
            'source': dict(classes.source),
            'texts': {
                name: list(own) for name, own in zip(classes.names, classes.texts, strict=True)
            },
        },
        'pooling': pooling,
        'truncate': truncate,
        **space.about,
    }
    cosines = class_cosines(images, of_classes, pooling)
    return ZeroShotScores(
        classes, cosines, float(space.scale), templates, record, images, of_classes
    )


def class_vectors(
    space: Space, classes: ClassTexts, prompts: PromptSet, truncate: bool = False
) -> list[np.ndarray]:
    """Unit vectors of each class's sentences, (texts × templates, D), templates varying fastest.

    Raises:
        ConfigError: A sentence that is too long, and `truncate` is not given.
    """
    sentences = [
        [template.replace('{}', text) for text in own for template in prompts.templates]
        for own in classes.texts
    ]
    vectors = _encode(space, [sentence for own in sentences for sentence in own], truncate)
    return np.split(vectors, np.cumsum([len(own) for own in sentences])[:-1])


def _encode(space: Space, sentences: Sequence[str], truncate: bool) -> np.ndarray:
    from tqdm import tqdm

    distinct = list(dict.fromkeys(sentences))
    found = []
    try:
        for start in tqdm(range(0, len(distinct), BATCH), desc='texts', unit='batch', delay=2):
            found.append(space.encode_text(distinct[start : start + BATCH], truncate=truncate))
    except ConfigError as error:
        raise ConfigError(f'{error}. --truncate (truncate=True) cuts such texts') from error
    row = {sentence: number for number, sentence in enumerate(distinct)}
    return np.concatenate(found)[[row[sentence] for sentence in sentences]]


def _unit(features: np.ndarray, space: Space) -> np.ndarray:
    """(N, D) float32 of unit length."""
    values = np.asarray(features, np.float32)
    if values.ndim != 2 or not len(values) or values.shape[1] != space.dim:
        raise DataError(
            f'{space.name} compares features of shape (N, {space.dim}) with N at least 1, found '
            f'{values.shape}; compute them with the same model'
        )
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0)))
    if bad.size:
        raise DataError(
            f'{len(bad)} of {len(values)} features are zero or not finite, so they have no direction; '
            f'first: row {bad[0]}. Compute them again in fp32'
        )
    return values / lengths
