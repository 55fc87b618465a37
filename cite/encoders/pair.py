"""A vision tower and a text tower in one space: CLIP and its kin, frozen, tuned or trained whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cite.encoders.pair_card import PairCard
from cite.encoders.text import build_text_encoder
from cite.encoders.text.tower import TextTower
from cite.encoders.towers.tower import VisionTower
from cite.encoders.tuned import evaluating
from cite.encoders.vision import load_vision
from cite.errors import ConfigError
from cite.inference.batched import outputs_of_images
from cite.registry import check_options

if TYPE_CHECKING:
    from cite.images.batches import ImageLike

MOST = math.log(100.0)
"""CLIP never lets its scale grow beyond 100 (Radford et al., section 2.5)."""


class Pair(nn.Module):
    """Images and texts → unit vectors whose cosines say how well they go together.

    Args:
        vision: Vision tower.
        text: Text tower.
        dim: Length of the common vectors, reached by a trained linear projection of either side. None:
            the towers' own features are compared, which must have one length.
        scale: First value of what multiplies the cosines; CLIP starts at 1/0.07, SigLIP at 10.
        bias: First value of what is added to them (SigLIP: -10); None: nothing is.

    Attributes:
        card: Row of the zoo, for a published pair.

    Raises:
        ConfigError: Features of different lengths, and no `dim`.
    """

    def __init__(
        self,
        vision: VisionTower,
        text: TextTower,
        dim: int | None = None,
        scale: float = 1 / 0.07,
        bias: float | None = None,
    ) -> None:
        super().__init__()
        if dim is None and vision.feature_dim != text.feature_dim:
            raise ConfigError(
                f'{vision.card.name} gives {vision.feature_dim} features and {text.name} '
                f'{text.feature_dim}: give the length of a common space, such as dim=512'
            )
        if not scale > 0 or (dim is not None and dim < 1):
            raise ConfigError(
                f'a pair needs scale > 0 and dim of at least 1, found {scale} and {dim}'
            )
        self.vision = vision
        self.text = text
        self.dim = dim or vision.feature_dim
        self.image_projection = _projection(vision.feature_dim, dim)
        self.text_projection = _projection(text.feature_dim, dim)
        self.card: PairCard | None = None
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))

    @property
    def templates(self) -> tuple[str, ...]:
        """Sentences around a class name ('{}') that its authors use; none for a pair trained here."""
        return self.card.templates if self.card else ()

    @property
    def scale(self) -> Tensor:
        """What multiplies cosines to give logits."""
        return self.log_scale.exp()

    @torch.no_grad()
    def limit_scale(self) -> None:
        """Brings the scale back to 100 where a step went beyond."""
        self.log_scale.clamp_(max=MOST)

    def image_features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) → (B, dim) of unit length, float32."""
        return functional.normalize(self.image_projection(self.vision(images)).float(), dim=-1)

    def text_features(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of B texts → (B, dim) of unit length, float32."""
        return functional.normalize(self.text_projection(self.text(tokens)).float(), dim=-1)

    def encode_images(
        self,
        images: Iterable[ImageLike] | ImageLike,
        batch_size: int | Literal['auto'] = 'auto',
        normalise: bool = True,
        precision: str = 'fp32',
        workers: int | None = None,
    ) -> np.ndarray:
        """Images (paths, PIL, arrays, tensors; a list, a generator or one) → float32 (N, dim).

        Args:
            batch_size, precision, workers: See `VisionTower.encode_images`.
            normalise: To unit length, so that products are cosines.

        Raises:
            DataError: An image that is missing, damaged or of another form.
            ConfigError: A batch size, precision or number of workers that there is not.
            ModelError: Memory does not last for one image.
        """
        device = self.log_scale.device
        with evaluating(self):
            parts = outputs_of_images(
                lambda batch: self.image_projection(self.vision(batch)),
                images,
                self.vision.resize,
                device,
                batch_size,
                precision,
                workers,
            )
            with closing(parts):
                found = list(parts)
        features = torch.cat(found) if found else torch.empty(0, self.dim)
        return (functional.normalize(features, dim=-1) if normalise else features).numpy()

    @torch.inference_mode()
    def encode_text(
        self,
        texts: Iterable[str],
        batch_size: int = 64,
        normalise: bool = True,
        truncate: bool = False,
    ) -> np.ndarray:
        """Texts (a list, an array, a generator or one) → float32 (N, dim).

        Args:
            normalise: To unit length.
            truncate: Cut texts that are too long; they are refused otherwise.

        Raises:
            ConfigError: No texts, an empty one, or one that is too long.
        """
        listed = [texts] if isinstance(texts, str) else list(texts)
        vectors = self.text.encode_text(listed, batch_size, truncate).to(self.log_scale.device)
        features = self.text_projection(vectors).float().cpu()
        return (functional.normalize(features, dim=-1) if normalise else features).numpy()


def build_pair(
    vision: Mapping[str, Any],
    text: Mapping[str, Any],
    dim: int | None = None,
    scale: float = 1 / 0.07,
    bias: float | None = None,
) -> Pair:
    """A pair from the specs of its towers.

    Args:
        vision: Options of `load_vision`: `dict(model='clip-vit-b16', tuning=dict(type='LoRA'))`.
        text: A text encoder with what tunes it: `dict(type='TextEncoder', model='biolinkbert-base',
            tuning='NoTuning')`. The type is 'TextEncoder' unless given.
        dim, scale, bias: See `Pair`.

    Raises:
        ConfigError: An unknown option.
        ModelError: A model that cannot be had.
    """
    images = {key: value for key, value in vision.items() if key != 'type'}
    check_options('vision tower', load_vision, images)
    texts = dict(text)
    tuning = texts.pop('tuning', None)
    encoder = build_text_encoder(texts)
    return Pair(load_vision(**images), encoder.tower(tuning), dim, scale, bias)


def _projection(width: int, dim: int | None) -> nn.Module:
    if dim is None:
        return nn.Identity()
    layer = nn.Linear(width, dim, bias=False)
    nn.init.normal_(layer.weight, std=width**-0.5)  # as CLIP's
    return layer
