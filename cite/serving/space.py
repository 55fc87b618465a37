"""Images and texts in one space: what zero-shot classification and retrieval ask for.

It is a pair (a published one, or one that was trained here), or an adapter whose head compares
images with texts: its tower and neck give the image side, the text encoder of its anchors the text side. So
classes that an adapter was never trained on can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cite.data.transforms import PatchTransform
from cite.encoders.pairs import load_pair
from cite.encoders.text import build_text_encoder
from cite.encoders.text.base import PLAIN_OPTIONS, TEXT_ENCODERS
from cite.encoders.zoo import PAIRS, find_text_card
from cite.errors import CheckpointError, ConfigError
from cite.frozen import digest
from cite.heads.text_embedding import TextEmbeddingHead
from cite.inference.device import settle_device
from cite.inference.question import describe_after
from cite.serving.image_space import ImageSpace
from cite.serving.predictor import Predictor, load

if TYPE_CHECKING:
    from cite.encoders.pair import Pair
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


class Space(ImageSpace):
    """Images and texts → unit vectors whose cosines say how well they go together.

    Args:
        name: Of the pair or adapter, for messages.
        vision, after, prepare, about: See `ImageSpace`.
        text: Tower of the texts.
        text_after: What follows that.
        scale: What multiplies cosines to give logits.
        templates: Sentences with `{}` that the authors use around a class name; () where none are known.
        templates_from: Where those are stated.

    Attributes:
        dim: Length of the vectors.
        about: Models, digests, preprocessing, pooling of texts, normalisation.
    """

    def __init__(
        self,
        name: str,
        vision: VisionTower,
        after: nn.Module,
        prepare: Callable[[Any], Any],
        text: TextTower,
        text_after: nn.Module,
        scale: float,
        templates: Sequence[str] = (),
        templates_from: str = '',
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(vision, after, prepare, about, name)
        self.scale = scale
        self.templates = tuple(templates)
        self.templates_from = templates_from
        self._text, self._text_after = text, text_after.eval()
        self.about = {
            **self.about,
            'text': {**_describe_text(text), **describe_after(text_after, text.feature_dim)},
            'normalisation': 'images and texts to unit length',
            'scale': scale,
        }

    @torch.inference_mode()
    def encode_text(
        self, texts: Sequence[str], batch_size: int = 64, truncate: bool = False
    ) -> np.ndarray:
        """Texts → (N, dim) float32, unit length.

        Args:
            truncate: Cut texts that are too long; they are refused otherwise.

        Raises:
            ConfigError: No texts, an empty one, or one that is too long.
        """
        vectors = self._text.encode_text(texts, batch_size, truncate).to(self._device)
        return functional.normalize(self._text_after(vectors).float(), dim=-1).cpu().numpy()


def load_space(
    model: str | Path | None = None,
    adapter: str | Path | None = None,
    weights: str | Path | None = None,
    device: str | None = None,
) -> Space:
    """The space of a pair or of an adapter.

    Args:
        model: Name of a pair ('plip') or a `pair.safetensors`; with `adapter`, its base model under another
            name.
        adapter: `adapter.safetensors` of a head that compares with texts.
        weights: File of both halves of the pair, or of the adapter's base model.
        device: 'cpu', 'cuda' or 'cuda:N'; default: what there is.

    Raises:
        ConfigError: Neither of the two, or an adapter whose head knows no texts.
        ModelError, CheckpointError: The models cannot be had, or are others than in training.
    """
    if adapter is not None:
        name = None if model is None else str(model)
        return space_of_adapter(load(adapter, name, weights, device), Path(adapter).name)
    if model is None:
        raise ConfigError(
            'give a pair of a vision and a text tower (model), such as plip, or an adapter; see '
            '`cite models --kind pair`'
        )
    place = settle_device(device)
    return space_of_pair(load_pair(model, weights=weights).to(place), str(model))


def space_of_pair(pair: Pair, name: str) -> Space:
    """A pair, on its device, as a space."""
    card = pair.card
    return Space(
        name,
        pair.vision,
        pair.image_projection,
        pair.vision.resize,
        pair.text,
        pair.text_projection,
        float(pair.scale.detach()),
        pair.templates,
        card.templates_from if card else '',
    )


def space_of_adapter(trained: Predictor, name: str) -> Space:
    """An adapter with a text head as a space: its tower and neck, and the encoder of its anchors.

    Raises:
        ConfigError: A head that does not compare with texts.
        CheckpointError: The text encoder has other weights than in training.
    """
    classifier, info = trained.classifier, trained.info
    head = classifier.head
    if not isinstance(head, TextEmbeddingHead) or type(head).__name__ not in _COMPARING:
        raise ConfigError(
            f'adapter {name}: its head ({info.head.get("type")}) does not compare images with texts, so it '
            f'cannot be asked for other classes; that is for {", ".join(_COMPARING)}. Use `cite predict`'
        )
    spec = {key: value for key, value in info.anchors.items() if key in PLAIN_OPTIONS}
    if 'model' not in spec:
        raise ConfigError(f'adapter {name} does not say which text encoder made its anchors')
    encoder = build_text_encoder(spec)
    trained_on, here = info.anchors.get('fingerprint'), encoder.fingerprint()
    if trained_on and here and trained_on != here:
        raise CheckpointError(
            f'adapter {name}: its anchors were made by {spec["model"]} with fingerprint {trained_on}, here '
            f'it has {here}. Use the weights of its training'
        )
    vision = classifier.backbone
    text = encoder.tower().to(vision.mean.device).eval()
    about = {'adapter': name, 'adapter_preprocessing': info.preprocessing}
    return Space(
        name,
        vision,
        nn.Identity() if classifier.neck is None else classifier.neck,
        PatchTransform(trained.stain, trained.resize),
        text,
        nn.Identity(),
        float(head.temperature.detach().exp()),
        *_templates(str(spec['model'])),
        about=about,
    )


_COMPARING = ('TextEmbeddingHead', 'ZeroShotHead')
"""Heads that are a cosine to a text and nothing else."""


def _describe_text(text: TextTower) -> dict[str, Any]:
    """What `describe` says of a vision tower, of a text tower."""
    tuned = text.state_dict()
    return {
        'model': text.name,
        'digest': text.digest,
        'tuning': type(text.tuning).__name__ if tuned else None,
        'tuning_digest': digest(tuned.items()) if tuned else None,
        'pooling': _pooling(text),
        'longest_text': text.limit,
    }


def _pooling(text: TextTower) -> str:
    """How a text becomes one vector, in words."""
    card = find_text_card(text.name)
    if card is not None and card.pooling:
        return card.pooling
    of_class = getattr(TEXT_ENCODERS.get(card.encoder), 'pooling', None) if card else None
    own = getattr(text.pool, '__name__', type(text.pool).__name__).strip('_')
    return of_class if isinstance(of_class, str) else own


def _templates(text_model: str) -> tuple[tuple[str, ...], str]:
    """Those of the pair whose text half a model is."""
    for pair in PAIRS.values():
        if pair.text == text_model and pair.templates:
            return pair.templates, pair.templates_from
    return (), ''
