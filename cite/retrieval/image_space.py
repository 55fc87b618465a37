"""A vision model without texts, in the shape of `cite.serving.Space`: images find images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cite.encoders.pair_file import read_pair_info
from cite.encoders.tuned import evaluating
from cite.encoders.zoo import PAIRS
from cite.errors import CiteError, ConfigError
from cite.inference import Extracted, extract, outputs_of_images
from cite.inference.question import describe, describe_after

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower
    from cite.images.batches import ImageLike


class ImageSpace:
    """Images → unit vectors.

    Args:
        tower: On its device.
        after: What follows it; None: nothing.
        prepare: Picture → picture of the tower's size; None: the tower's own resizing.
        about: What records should tell besides.

    Attributes:
        name: Of the model.
        dim: Length of the vectors.
        about: As `Space.about`, of images alone.
    """

    def __init__(
        self,
        tower: VisionTower,
        after: nn.Module | None = None,
        prepare: Callable[[Any], Any] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._tower, self._after = tower, after
        self._prepare, self._extra = prepare, dict(about or {})
        image = {
            **describe(tower),
            **describe_after(after, tower.feature_dim),
            **self._extra,
        }
        self.name = tower.card.name
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
        """As `Space.encode_images`: (N, dim) float32 of unit length."""
        with evaluating(self._tower):
            parts = outputs_of_images(
                lambda batch: self._then(self._tower(batch)),
                images,
                self._prepare or self._tower.resize,
                self._tower.mean.device,
                batch_size,
                precision,
                workers,
            )
            with closing(parts):
                found = list(parts)
        features = torch.cat(found) if found else torch.empty(0, self.dim)
        return functional.normalize(features, dim=-1).numpy()

    def extract(self, files: Sequence[str | Path], out: str | Path, **options: Any) -> Extracted:
        """As `Space.extract`."""
        return extract(
            self._tower,
            files,
            out,
            prepare=self._prepare,
            after=self._after,
            about={**self._extra, **options.pop('about', {})},
            **options,
        )

    def _then(self, features: torch.Tensor) -> torch.Tensor:
        return features if self._after is None else self._after(features)


def knows_texts(model: str) -> bool:
    """Whether a model is a pair: a published one, or the file of one that was trained."""
    if model in PAIRS:
        return True
    try:
        read_pair_info(model)
    except (CiteError, OSError):
        return False
    return True


def refuse_texts(model: str) -> None:
    """Says that a model knows no texts, unless its name is nearly that of a pair or a file.

    Raises:
        ConfigError: Naming pairs.
    """
    if Path(model).suffix == '.safetensors' or get_close_matches(model, PAIRS, n=1, cutoff=0.8):
        return
    raise ConfigError(
        f'{model} is no pair: a vision model alone knows no texts, and finds images by --query-image. '
        'Texts need a pair, such as plip, quiltnet-b32, tiny-tissue (cite models --kind pair lists them), '
        'or a pair.safetensors'
    )
