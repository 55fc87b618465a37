"""A model, an image and a class → a map over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from cite.attribution.methods.base import METHODS, Method
from cite.attribution.passes import entering, onwards
from cite.attribution.patch_map import PatchMap, enlarge
from cite.attribution.subject import Subject, unchanged

if TYPE_CHECKING:
    from cite.classifier import Classifier
    from cite.images.batches import ImageLike
    from cite.serving import Predictor


def explain(
    model: Predictor | Classifier,
    image: ImageLike,
    class_name: str | None = None,
    method: str = 'scores',
    contrast: bool = False,
) -> PatchMap:
    """Which places of a patch speak for a class; docs/attribution.md says what each method means.

    Computed in fp32, whatever precision the model was trained in. The model is in the state that it was in
    afterwards: no weight, gradient, mode or hook is another one.

    Args:
        model: An adapter (`cite.load`), or a classifier, which takes patches as its tower's authors do.
        image: A path, PIL image, uint8 array H × W × 3 or uint8 tensor 3 × H × W.
        class_name: One of the model's classes; None: the most probable.
        method: 'scores', 'rollout', 'gradcam' or 'gradients', see `METHODS`. The last two need captum
            (extra `attribution`).
        contrast: Explain the score of the class minus the mean of the other classes', which is what a
            softmax decides by, and not the score itself. Rollout knows no classes and takes no notice.

    Raises:
        ConfigError: An unknown class or method, captum missing, or a contrast of a single class.
        ModelError: A tower that the method cannot look into.
        DataError: An image that is missing or damaged.
    """
    names = None if class_name is None else [class_name]
    return explain_classes(model, image, names, method, contrast)[0]


def explain_classes(
    model: Predictor | Classifier,
    image: ImageLike,
    class_names: Sequence[str] | None = None,
    method: str = 'scores',
    contrast: bool = False,
) -> list[PatchMap]:
    """`explain` of several classes, at the cost of one forward pass where the method allows it.

    Args:
        class_names: None: the most probable class alone.

    Returns:
        A map per class, in their order; of a method that knows no classes, one map.
    """
    subject = Subject(model)
    how: Method = METHODS.get(method)()
    labels = None if class_names is None else [subject.number_of(name) for name in class_names]
    pixels, size, box = subject.pixels(image)
    with unchanged(subject.classifier):
        probabilities = _probabilities(subject, pixels)
        if labels is None:
            labels = [int(probabilities.argmax())]
        if not how.knows_classes:
            labels = labels[:1]
        with torch.enable_grad():
            found = how(subject, pixels, labels, contrast)
    side = subject.tower.image_size
    maps = []
    for label, cells, about in zip(labels, found.grids, found.about, strict=True):
        grid = cells.detach().float().cpu().numpy().copy()
        maps.append(
            PatchMap(
                grid=grid,
                values=enlarge(grid, side),
                method=method,
                class_name=subject.classes[label] if how.knows_classes else None,
                signed=found.signed,
                unit=found.unit,
                size=size,
                box=box,
                probability=float(probabilities[label]) if how.knows_classes else None,
                about={**about, 'contrast': contrast} if how.knows_classes else about,
            )
        )
    return maps


def class_probabilities(model: Predictor | Classifier, image: ImageLike) -> list[float]:
    """Probabilities of all classes, in fp32 as the maps are.

    Raises:
        DataError: An image that is missing or damaged.
    """
    subject = Subject(model)
    pixels, _, _ = subject.pixels(image)
    with unchanged(subject.classifier):
        return [float(p) for p in _probabilities(subject, pixels)]


@torch.no_grad()
def _probabilities(subject: Subject, pixels: torch.Tensor) -> torch.Tensor:
    tower = subject.tower
    images = tower.normalise(pixels)
    features = onwards(tower, entering(tower, images, tower.depth), tower.depth, images)
    return subject.logits(features).softmax(1)[0].cpu()
