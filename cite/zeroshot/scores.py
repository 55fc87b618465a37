"""What zero-shot classification gives: cosines to classes, by all templates and by each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cite.zeroshot.classes import ClassTexts
from cite.zeroshot.pooling import template_cosines


@dataclass(frozen=True, eq=False)
class ZeroShotScores:
    """How near each of N images is to each of C classes.

    Attributes:
        classes: Names and texts.
        cosines: (N, C) float32, of the pooled sentences of all templates.
        scale: What multiplies them to give logits.
        templates: T sentences with `{}`.
        record: Prompt set, pooling, normalisation, model: plain values.
    """

    classes: ClassTexts
    cosines: np.ndarray
    scale: float
    templates: tuple[str, ...]
    record: Mapping[str, Any]
    _images: np.ndarray
    _sentences: Sequence[np.ndarray]  # of each class (texts × T, D), templates vary fastest

    @property
    def probabilities(self) -> np.ndarray:
        """(N, C) float32: softmax of scale × cosine."""
        return softmax(self.cosines, self.scale)

    @property
    def predicted(self) -> np.ndarray:
        """(N,) int64 index of the most probable class; the first one where two are equal."""
        return self.probabilities.argmax(axis=1)  # as `Predictions` has it, to the last bit

    def per_template(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each template with the cosines (N, C) that it gives alone, one after the other."""
        found = template_cosines(
            self._images, self._sentences, len(self.templates), str(self.record['pooling'])
        )
        yield from zip(self.templates, found, strict=True)


def softmax(cosines: np.ndarray, scale: float) -> np.ndarray:
    """(N, C) cosines → probabilities, float32."""
    logits = scale * cosines.astype(np.float64)
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)
