"""An adapter file → class probabilities of new patches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from cite.adapter import AdapterInfo, load_adapter
from cite.classifier import Classifier
from cite.images import image_batches
from cite.precision import autocast, settle_precision
from cite.serving.votes import Prediction


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
        device: 'cpu' or 'cuda'; default: what there is.

    Raises:
        CheckpointError: A damaged file, or another base model than in training (by digest).
        ModelError: The base model cannot be had.
    """
    classifier, info = load_adapter(adapter, model, weights)
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return Predictor(classifier.to(device), info)


class Predictor:
    """A classifier with the preprocessing and precision of its training.

    Attributes:
        classifier: The `torch.nn.Module`.
        info: What the adapter says of itself.
        classes: Class names in label order.
    """

    def __init__(self, classifier: Classifier, info: AdapterInfo) -> None:
        self.classifier = classifier.eval()
        self.info = info
        self.classes = classifier.classes

    @torch.inference_mode()
    def predict(
        self,
        images: Iterable[str | Path],
        batch_size: int = 32,
        slides: Sequence[str] | None = None,
        progress: bool = False,
    ) -> Prediction:
        """Class probabilities, labels and one vote per slide.

        Args:
            images: Image files (or PIL images, uint8 arrays or tensors, which get numbers for names).
            batch_size: Images computed at once.
            slides: Slide of each image; by default the part of the file name in front of its last
                underscore, as in PatchGastric, and no slide where there is none.
            progress: Show a bar.

        Raises:
            DataError: An image that is missing or damaged.
        """
        from tqdm import tqdm

        images = [images] if isinstance(images, str | Path) else list(images)
        device = self.classifier.backbone.mean.device
        precision = settle_precision(self._precision(device), device)
        scores = []
        bar = tqdm(total=len(images), unit='patch', disable=not progress)
        with bar, autocast(precision, device):
            for batch in image_batches(images, self.classifier.backbone.resize, batch_size):
                scores.append(self.classifier(batch.to(device)).softmax(1).float().cpu())
                bar.update(len(batch))
        names = [
            str(image) if isinstance(image, str | Path) else f'image {i}'
            for i, image in enumerate(images)
        ]
        probabilities = (
            torch.cat(scores).numpy() if scores else np.empty((0, len(self.classes)), np.float32)
        )
        return Prediction(names, probabilities, self.classes, slides)

    def _precision(self, device: torch.device) -> str:
        """The precision of the training, where this device has it."""
        wanted = self.info.precision
        return 'fp32' if wanted == 'fp16' and device.type == 'cpu' else wanted
