"""An adapter file → class probabilities of new patches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cite.adapter import AdapterInfo
from cite.classifier import Classifier
from cite.data.transforms import PatchTransform
from cite.encoders.towers.tower import VisionTower
from cite.errors import CheckpointError, ConfigError, DataError
from cite.images import ResizePatch
from cite.images.stain import NormalizeStain, StainReference
from cite.inference.batched import outputs_of_images
from cite.inference.device import settle_device
from cite.serving.rebuild import load_adapter
from cite.serving.votes import Prediction

if TYPE_CHECKING:
    import torch

    from cite.images.batches import ImageLike


def load(
    adapter: str | Path,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str | None = None,
) -> Predictor:
    """Loads an adapter onto its base model.

    Args:
        adapter: `adapter.safetensors`, as training writes it.
        model: Base model under another name or path than in training.
        weights: File with the base model's weights, where they are not found by name.
        device: 'cpu', 'cuda' or 'cuda:N'; default: what there is.

    Raises:
        CheckpointError: A damaged file, or another base model than in training (by digest).
        ModelError: The base model cannot be had.
        ConfigError: A device that is not there.
    """
    place = settle_device(device)
    classifier, info = load_adapter(adapter, model, weights)
    return Predictor(classifier.to(place), info)


class Predictor:
    """A classifier with the preprocessing and precision of its training.

    Attributes:
        classifier: The `torch.nn.Module`.
        info: What the adapter says of itself.
        classes: Class names in label order.
        resize: How patches get the tower's size, as in training.
        stain: How they get the staining of its training, in front of that; None for nothing.
    """

    def __init__(self, classifier: Classifier, info: AdapterInfo) -> None:
        self.classifier = classifier.eval()
        self.info = info
        self.classes = classifier.classes
        self.resize = _resize(info, classifier.backbone)
        self.stain = _stain(info)

    def predict(
        self,
        images: Iterable[ImageLike] | ImageLike,
        batch_size: int | Literal['auto'] = 'auto',
        slides: Sequence[str] | None = None,
        progress: bool = False,
        workers: int | None = None,
    ) -> Prediction:
        """Class probabilities, labels and one vote per slide.

        Args:
            images: Image files, PIL images, uint8 arrays H × W × 3 or uint8 tensors 3 × H × W: one, a
                list or a generator. What is no file gets its number for a name.
            batch_size: Images computed at once; 'auto': what memory and processor are good for.
            slides: Slide of each image; by default the part of the file name in front of its first
                underscore, as in PatchGastric, and no slide where there is none.
            progress: Show a bar where it takes longer than two seconds.
            workers: Threads that read while the model computes; None: one per core; 0: none.

        Raises:
            DataError: An image that is missing or damaged, or slides of another number.
            ConfigError: A batch size below 1.
            ModelError: Memory does not last for one image.
        """
        from tqdm import tqdm

        device = self.classifier.backbone.mean.device
        names: list[str] = []
        scores = [np.empty((0, len(self.classes)), np.float32)]
        total = len(images) if isinstance(images, list | tuple) else None
        if slides is not None and total not in (None, len(slides)):  # now, not after the work
            raise DataError(f'{len(slides)} slides were given for {total} images')
        bar = tqdm(total=total, unit='patch', delay=2, disable=not progress)
        parts = outputs_of_images(
            lambda batch: self.classifier(batch).softmax(1),
            _noting_names(images, names),
            PatchTransform(self.stain, self.resize),
            device,
            batch_size,
            self.precision(device),
            workers,
        )
        with bar, closing(parts):
            for part in parts:
                scores.append(part.numpy())
                bar.update(len(part))
        return Prediction(names, np.concatenate(scores), self.classes, slides)

    def precision(self, device: torch.device) -> str:
        """The precision of the training, where this device has it."""
        wanted = self.info.precision
        return 'fp32' if wanted == 'fp16' and device.type == 'cpu' else wanted


def _noting_names(images: Any, names: list[str]) -> Iterator[ImageLike]:
    """The images, one or many, each of them named when it passes."""
    single = isinstance(images, str | Path) or not hasattr(images, '__iter__')  # a PIL image
    for image in [images] if single or getattr(images, 'ndim', 4) == 3 else images:
        names.append(str(image) if isinstance(image, str | Path) else f'image {len(names)}')
        yield image


def _resize(info: AdapterInfo, tower: VisionTower) -> ResizePatch:
    """As the config of the training did it; as the tower's authors do it where that is not said."""
    fit = info.preprocessing.get('fit')
    if fit is None:
        return tower.resize
    try:
        resize = ResizePatch(**fit)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(
            f'adapter: cannot resize patches as it says, {fit}: {error}'
        ) from error
    if resize.size != tower.image_size:
        raise CheckpointError(
            f'adapter: it resizes patches to {resize.size} pixels, its tower takes {tower.image_size}'
        )
    return resize


def _stain(info: AdapterInfo) -> NormalizeStain | None:
    """As in training; what a foreign adapter says may be anything."""
    record = info.preprocessing.get('stain')
    if record is None:
        return None
    try:
        stain = StainReference.from_dict(record)
    except ConfigError as error:
        raise CheckpointError(f'adapter: its record of the staining is damaged: {error}') from error
    return NormalizeStain(stain.method, stain.reference)
