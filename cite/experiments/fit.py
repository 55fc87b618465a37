"""A classifier trained on patches that are in memory: what small studies and searches repeat many times.

Runs of one model on a data set of any size go through mmengine (`cite train`); this is the same step
without loaders, hooks and files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cite.classifier import Classifier
from cite.data.randomness import generator
from cite.encoders.tuned import evaluating
from cite.errors import TrainingError
from cite.frozen import trainable
from cite.tuning.base import Tuning


class Patches:
    """Patches in memory, with the features of a frozen tower computed once.

    Args:
        images: (N, 3, S, S) uint8, in the tower's size.
        labels: (N,) int64.
        features: (N, D) float32 of the tower without tuning; computed at the first need, by that tower.
    """

    def __init__(self, images: Tensor, labels: Tensor, features: Tensor | None = None) -> None:
        self.images = images
        self.labels = labels
        self.features = features

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: np.ndarray) -> Patches:
        chosen = torch.as_tensor(rows)
        features = None if self.features is None else self.features[chosen]
        return Patches(self.images[chosen], self.labels[chosen], features)


def reads_features(classifier: Classifier) -> bool:
    """Whether the tower is computed the same in every step, so that its features can be kept."""
    return classifier.backbone.tuning.first_stage is None


@torch.no_grad()
def take_features(classifier: Classifier, patches: Patches, batch_size: int = 64) -> None:
    """Computes and keeps the features of a tower in which nothing trains."""
    if patches.features is None:
        patches.features = _features(classifier, patches, batch_size)


def _features(classifier: Classifier, patches: Patches, batch_size: int) -> Tensor:
    with evaluating(classifier):
        parts = [classifier.backbone(batch).float() for batch in patches.images.split(batch_size)]
    return torch.cat(parts)


def logits(classifier: Classifier, patches: Patches, rows: Tensor) -> Tensor:
    """Of these patches, (rows, classes)."""
    if patches.features is not None and reads_features(classifier):
        features = patches.features[rows]
        return classifier.head(features if classifier.neck is None else classifier.neck(features))
    out: Tensor = classifier(patches.images[rows])
    return out


def fit(
    classifier: Classifier,
    patches: Patches,
    lr: float,
    weight_decay: float,
    steps: int,
    batch_size: int = 16,
    seed: int = 0,
    head_lr: float | None = None,
) -> None:
    """Trains what trains, in place: AdamW, cosine to zero, classes drawn alike.

    Heads that are made from features are made first; where nothing trains, that is all.

    Args:
        lr: Learning rate of the tuning; of neck and head too, unless `head_lr` is given.
        seed: Of the order of the patches.

    Raises:
        TrainingError: A loss that is no number.
    """
    if reads_features(classifier):
        take_features(classifier, patches)
    if classifier.head.takes_features:
        with torch.no_grad(), evaluating(classifier):
            _make_head(classifier, patches)
    weights = trainable(classifier)
    if not weights:
        return
    groups = [_group(classifier, name, weight, lr, head_lr) for name, weight in weights.items()]
    optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = balanced_draws(patches.labels.numpy(), steps * batch_size, seed)
    classifier.train()
    for rows in torch.as_tensor(order).split(batch_size):
        loss = F.cross_entropy(logits(classifier, patches, rows), patches.labels[rows])
        if not torch.isfinite(loss):
            raise TrainingError(
                f'the loss is {loss.item()}; a lower learning rate than {lr:g} may help'
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    classifier.eval()


@torch.no_grad()
def scores(classifier: Classifier, patches: Patches, batch_size: int = 64) -> np.ndarray:
    """Class probabilities (N, classes)."""
    if reads_features(classifier):
        take_features(classifier, patches)
    with evaluating(classifier):
        rows = torch.arange(len(patches)).split(batch_size)
        return torch.cat([logits(classifier, patches, part).softmax(1) for part in rows]).numpy()


def _make_head(classifier: Classifier, patches: Patches) -> None:
    features = patches.features
    if features is None or not reads_features(
        classifier
    ):  # kept ones are of a tower without tuning
        features = _features(classifier, patches, 64)
    if classifier.neck is not None:
        features = classifier.neck(features)
    classifier.head.fit(features, patches.labels)


def _group(
    classifier: Classifier, name: str, weight: Tensor, lr: float, head_lr: float | None
) -> dict[str, Any]:
    if not name.startswith('backbone.'):
        return {'params': [weight], 'lr': lr if head_lr is None else head_lr}
    tuning: Tuning = classifier.backbone.tuning
    return {'params': [weight], 'lr': lr * tuning.lr_factor(name.removeprefix('backbone.'))}


def balanced_draws(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows, every class as often as another, each class's patches in shuffled rounds."""
    draw = generator(seed, 'fit')
    classes = np.unique(labels)
    each = -(-count // len(classes))
    rounds = []
    for label in classes:
        rows = np.flatnonzero(labels == label)
        times = -(-each // len(rows))
        rounds.append(np.concatenate([draw.permutation(rows) for _ in range(times)])[:each])
    return np.stack(rounds, axis=1).ravel()[:count]
