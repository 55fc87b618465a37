"""Images as unit vectors: a vision model with what follows it, as similarity asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cite.encoders.tuned import evaluating
from cite.inference import Extracted, extract, outputs_of_images
from cite.inference.question import describe, describe_after

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower
    from cite.images.batches import ImageLike


class ImageSpace:
    """Images → unit vectors.

    Args:
        vision: Tower of the images, on its device.
        after: What follows it: a projection or a neck; None: nothing.
        prepare: Picture → picture of the tower's size; None: the tower's own resizing.
        about: Plain values for records: what else decides the vectors.
        name: For messages; default: the model's.

    Attributes:
        name: Of the model, pair or adapter.
        dim: Length of the vectors.
        about: Model, digests, preprocessing, normalisation.
    """

    def __init__(
        self,
        vision: VisionTower,
        after: nn.Module | None = None,
        prepare: Callable[[Any], Any] | None = None,
        about: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or vision.card.name
        self._vision, self._after = vision, (after or nn.Identity()).eval()
        self._prepare = prepare or vision.resize
        self._device = vision.mean.device
        self._extra = dict(about or {})
        image = {
            **describe(vision),
            **describe_after(self._after, vision.feature_dim),
            **self._extra,
        }
        self.dim = int(image['feature_dim'])
        self.about: dict[str, Any] = {
            'space': self.name,
            'image': image,
            'normalisation': 'images to unit length',
        }

    def encode_images(
        self,
        images: Iterable[ImageLike] | ImageLike,
        batch_size: int | Literal['auto'] = 'auto',
        precision: str = 'fp32',
        workers: int | None = None,
    ) -> np.ndarray:
        """Images (paths, PIL, arrays, tensors; a list, a generator or one) → (N, dim) float32, unit length.

        Raises:
            DataError, ConfigError, ModelError: As `VisionTower.encode_images`.
        """
        with evaluating(self._vision):
            parts = outputs_of_images(
                lambda batch: self._after(self._vision(batch)),
                images,
                self._prepare,
                self._device,
                batch_size,
                precision,
                workers,
            )
            with closing(parts):
                found = list(parts)
        features = torch.cat(found) if found else torch.empty(0, self.dim)
        return functional.normalize(features, dim=-1).numpy()

    def extract(self, files: Sequence[str | Path], out: str | Path, **options: Any) -> Extracted:
        """Image vectors of many files into a file, resumable; as they are, not of unit length.

        Args:
            files, out, options: See `cite.inference.extract`.
        """
        return extract(
            self._vision,
            files,
            out,
            prepare=self._prepare,
            after=self._after,
            about={**self._extra, **options.pop('about', {})},
            **options,
        )
