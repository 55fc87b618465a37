"""Nearest class mean in a simple feature space: SimpleShot (Wang et al., 2019, arXiv:1911.04623)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.heads.base import HEADS, Head
from cite.heads.feature_cache import counts, not_made

TRANSFORMS = ('none', 'l2', 'cl2')


@HEADS.register
class PrototypeHead(Head):
    """Logits = -scale · squared distance to the mean of each class. Nothing trains.

    Args:
        transform: Of features before means are taken and distances measured: 'none', 'l2' (to length 1),
            'cl2' (the mean of all training patches is taken off first, then to length 1), the paper's
            best and the default.
        scale: Above 0. It spreads the probabilities, and decides no patch.

    Raises:
        ConfigError: An unknown transform, a scale that is not above 0, a class without a training patch;
            asked before it was made.

    It holds a mean per class and one of all, classes · D + D numbers.
    """

    paper = 'Wang et al., 2019'
    takes_features = True

    prototypes: Tensor
    mean: Tensor
    dtype = torch.float32  # of means and logits

    def __init__(self, transform: str = 'cl2', scale: float = 1.0) -> None:
        super().__init__()
        if transform not in TRANSFORMS:
            raise ConfigError(
                f'PrototypeHead: transform must be one of {", ".join(TRANSFORMS)}, found {transform!r}'
            )
        if not isinstance(scale, int | float) or not scale > 0:
            raise ConfigError(f'PrototypeHead: scale must be above 0, found {scale!r}')
        self.transform = transform
        self.scale = scale

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        self.classes = classes
        # without rows until there are any, so that a head that was never made is told from one that was
        self.register_buffer('prototypes', torch.empty(0, in_features, dtype=self.dtype))
        self.register_buffer('mean', torch.zeros(in_features, dtype=self.dtype))

    def fit(self, features: Tensor, labels: Tensor) -> None:
        features, labels = features.to(self.mean), labels.to(self.mean.device)
        number = counts(labels, self.classes, 'PrototypeHead')
        self.mean = features.mean(dim=0)
        sums = features.new_zeros(len(self.classes), features.shape[1])
        sums.index_add_(0, labels, self._transformed(features))
        self.prototypes = sums / number[:, None]

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        shape = (len(self.classes), len(self.mean))
        if tuple(getattr(state.get('prototypes'), 'shape', ())) == shape:
            self.prototypes = self.mean.new_zeros(shape)

    def forward(self, features: Tensor) -> Tensor:
        if not len(self.prototypes):
            raise ConfigError(not_made('PrototypeHead'))
        with torch.autocast(features.device.type, enabled=False):
            differences = self._transformed(features.to(self.dtype))[:, None] - self.prototypes
            return -self.scale * differences.square().sum(dim=-1)

    def _transformed(self, features: Tensor) -> Tensor:
        if self.transform == 'none':
            return features
        centred = features - self.mean if self.transform == 'cl2' else features
        return nn.functional.normalize(centred, dim=-1)

    def extra_repr(self) -> str:
        return f'{self.transform}, scale={self.scale:g}'
