"""Features of training patches with their labels, as part of a head: buffers of a size that data decide."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cite.errors import CheckpointError, ConfigError


class FeatureCache(nn.Module):
    """Keys (N, D) float32 and labels (N,) int64; empty until it is filled or loaded.

    Args:
        owner: Name of the head, for messages.
        max_patches_per_class: How many patches of a class are kept; None for all. Where there are more,
            they are taken at even steps over the class's patches in the order of the table, which puts
            those of a slide side by side: every slide is there, and nothing is drawn.
        trains: Whether the keys are parameters.

    4 · N · D bytes, in memory and in every checkpoint and adapter: 20,000 patches at 512 numbers are
    41 MB. They are derived from patients' images, and a file that holds them is handled as such.
    """

    keys: Tensor
    labels: Tensor
    dtype = torch.float32  # of the keys

    def __init__(
        self, owner: str, max_patches_per_class: int | None = None, trains: bool = False
    ) -> None:
        super().__init__()
        limit = max_patches_per_class
        if limit is not None and (
            isinstance(limit, bool) or not isinstance(limit, int) or limit < 1
        ):
            raise ConfigError(
                f'{owner}: max_patches_per_class must be a whole number of at least 1, or None for all, '
                f'found {limit!r}'
            )
        self.owner = owner
        self.max_patches_per_class = limit
        self.trains = trains

    def attach(self, in_features: int, classes: int) -> None:
        """Makes it empty, for features of that size."""
        self.classes = classes
        empty = torch.empty(0, in_features, dtype=self.dtype)
        if self.trains:
            self.keys = nn.Parameter(empty)
        else:
            self.register_buffer('keys', empty)
        self.register_buffer('labels', torch.empty(0, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.keys)

    def fill(self, features: Tensor, labels: Tensor) -> None:
        """Takes (N, D) features and (N,) labels in place of what was there."""
        labels = labels.cpu()
        rows = evenly(labels, self.max_patches_per_class)
        self.keys.data = features[rows].detach().to(self.keys, copy=True)
        self.labels.data = labels[rows].to(self.labels, copy=True)

    def make_room(self, state: Mapping[str, Tensor], prefix: str) -> None:
        """As `Head.make_room`, of a head that holds it under `prefix`.

        Raises:
            CheckpointError: Labels of classes that there are not.
        """
        keys, labels = state.get(f'{prefix}keys'), state.get(f'{prefix}labels')
        if not isinstance(keys, Tensor) or not isinstance(labels, Tensor):
            return  # told with the names that are missing
        if keys.ndim != 2 or keys.shape[1] != self.keys.shape[1] or labels.shape != keys.shape[:1]:
            return  # told with the shapes that do not fit
        known = labels.to(self.labels.dtype)
        if len(known) and not 0 <= int(known.min()) <= int(known.max()) < self.classes:
            raise CheckpointError(
                f'{self.owner}: the stored labels go from {int(known.min())} to {int(known.max())}, and '
                f'there are {self.classes} classes'
            )
        self.keys.data = self.keys.new_zeros(keys.shape)
        self.labels.data = self.labels.new_zeros(labels.shape)

    def check(self) -> None:
        """Refuses to be asked while it is empty.

        Raises:
            ConfigError: Neither filled nor loaded.
        """
        if not len(self):
            raise ConfigError(not_made(self.owner))

    def extra_repr(self) -> str:
        return f'{len(self)} patches' if hasattr(self, 'keys') else ''


def evenly(labels: Tensor, limit: int | None) -> Tensor:
    """Rows (M,), ascending: of each class all, or `limit` of them at even steps."""
    if limit is None:
        return torch.arange(len(labels))
    chosen = []
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        if len(rows) > limit:
            rows = rows[torch.arange(limit) * len(rows) // limit]
        chosen.append(rows)
    return torch.cat(chosen).sort().values if chosen else torch.arange(0)


def not_made(owner: str) -> str:
    """Why a head that is made from features cannot answer yet."""
    return (
        f'{owner} is made from the features of training patches, and has seen none: make it by '
        'cite train CONFIG, or load a checkpoint or an adapter of such a run'
    )


def counts(labels: Tensor, classes: tuple[str, ...], owner: str) -> Tensor:
    """Patches per class (classes,), none of them zero.

    Raises:
        ConfigError: A class without a training patch.
    """
    found = torch.bincount(labels, minlength=len(classes))
    missing = [name for name, count in zip(classes, found.tolist(), strict=True) if not count]
    if missing:
        raise ConfigError(
            f'{owner} needs a training patch of every class; there is none of {", ".join(missing)}'
        )
    return found
