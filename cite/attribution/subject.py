"""What is explained: a classifier with its preprocessing, run without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from cite.attribution.patch_map import Box, seen_box
from cite.classifier import Classifier
from cite.data.transforms import PatchTransform
from cite.encoders.tuned import evaluating
from cite.errors import ConfigError
from cite.heads.text_embedding import TextEmbeddingHead
from cite.images import load_rgb
from cite.images.batches import read_image
from cite.serving import Predictor

if TYPE_CHECKING:
    from cite.images.batches import ImageLike


class Subject:
    """A `Predictor`, or a `Classifier` that takes patches as its tower's authors do.

    Attributes:
        classifier, tower, classes: Of the model.
        resize: How a picture gets the tower's size.
        by_cosine: Whether the head is a cosine to a text per class and nothing else, so that scores are
            told as cosines.
    """

    def __init__(self, model: Predictor | Classifier) -> None:
        trained = model if isinstance(model, Predictor) else None
        self.classifier: Classifier = model.classifier if isinstance(model, Predictor) else model
        self.tower = self.classifier.backbone
        self.classes = self.classifier.classes
        self.resize = self.tower.resize if trained is None else trained.resize
        self._prepare = PatchTransform(None if trained is None else trained.stain, self.resize)
        head = self.classifier.head
        self.by_cosine = type(head).forward is TextEmbeddingHead.forward

    def number_of(self, name: str) -> int:
        """The label of a class.

        Raises:
            ConfigError: A class that the model does not have.
        """
        if name not in self.classes:
            raise ConfigError(
                f'there is no class {name!r}; the model has: {"; ".join(self.classes)}'
            )
        return self.classes.index(name)

    def pixels(self, image: ImageLike) -> tuple[Tensor, tuple[int, int], Box]:
        """One image → (1, 3, S, S) in 0…1 on the model's device, its size, and which part of it that is.

        Raises:
            DataError: An image that is missing, damaged or of another form.
        """
        picture: Any = load_rgb(image) if isinstance(image, str | Path) else image
        square = read_image(picture, self._prepare)
        if isinstance(picture, Image.Image):
            size = picture.size
        else:
            shape = picture.shape[1:] if isinstance(picture, Tensor) else picture.shape[:2]
            size = int(shape[1]), int(shape[0])
        pixels = square[None].to(self.tower.mean.device).float() / 255
        return pixels, size, seen_box(self.resize, size)

    def logits(self, features: Tensor) -> Tensor:
        """Features (B, D) of the tower → (B, classes) float32."""
        neck, head = self.classifier.neck, self.classifier.head
        logits: Tensor = head(features if neck is None else neck(features))
        return logits.float()

    @property
    def scale(self) -> float:
        """What makes logits of cosines; 1 where they are none."""
        temperature: Any = getattr(self.classifier.head, 'temperature', None)
        return float(temperature.detach().float().exp()) if self.by_cosine else 1.0


def against_others(scores: Tensor) -> Tensor:
    """(…, classes) → each class's score minus the mean of the others': what a softmax looks at.

    Raises:
        ConfigError: A single class, which has no others.
    """
    classes = scores.shape[-1]
    if classes < 2:
        raise ConfigError('a contrast with the other classes needs at least two classes')
    return scores - (scores.sum(-1, keepdim=True) - scores) / (classes - 1)


@contextmanager
def unchanged(classifier: Classifier) -> Iterator[None]:
    """Inside, the model is in eval mode; afterwards it is what it was.

    A prompt that waits for its first batch would take the explained patch for it; it waits again.
    """
    tuning = classifier.backbone.tuning
    before = {key: value.clone() for key, value in tuning.state_dict().items()}
    try:
        with evaluating(classifier):
            yield
    finally:
        now = tuning.state_dict()
        if any(not torch.equal(value, now[key]) for key, value in before.items()):
            tuning.load_state_dict(before)
