"""Weighted k-nearest neighbours among the training patches (Wu et al., CVPR 2018), as DINO evaluates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.heads.base import HEADS, Head
from cite.heads.feature_cache import FeatureCache

METRICS = ('cosine', 'euclidean')


@HEADS.register
class KNNHead(Head):
    """The k nearest training patches vote, each with weight exp(similarity / temperature).

    Logits are the logarithms of the classes' weights, so that their softmax is each class's share of the
    votes; a class without a neighbour gets the least logarithm that float32 has. Nothing trains.

    Args:
        k: Neighbours that vote; all, where there are fewer training patches. DINO's is 20.
        temperature: 0.07, as in both papers: a smaller one listens to the very nearest only.
        metric: 'cosine', or 'euclidean', whose similarity is minus the distance. The temperature is in
            units of the similarity.
        max_patches_per_class: See `FeatureCache`; None keeps every training patch.

    It holds the features of the training patches: N · D numbers, derived from patients' images, in every
    checkpoint and adapter. `PrototypeHead` holds one mean per class instead.

    Raises:
        ConfigError: A k below 1, a temperature that is not above 0, an unknown metric; asked before it was
            made.
    """

    paper = 'Wu et al., CVPR 2018'
    takes_features = True

    def __init__(
        self,
        k: int = 20,
        temperature: float = 0.07,
        metric: str = 'cosine',
        max_patches_per_class: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ConfigError(f'KNNHead: k must be a whole number of at least 1, found {k!r}')
        if not isinstance(temperature, int | float) or not temperature > 0:
            raise ConfigError(f'KNNHead: temperature must be above 0, found {temperature!r}')
        if metric not in METRICS:
            raise ConfigError(
                f'KNNHead: metric must be one of {", ".join(METRICS)}, found {metric!r}'
            )
        self.k = k
        self.temperature = temperature
        self.metric = metric
        self.cache = FeatureCache('KNNHead', max_patches_per_class)

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        self.cache.attach(in_features, len(classes))

    def fit(self, features: Tensor, labels: Tensor) -> None:
        self.cache.fill(self._prepared(features), labels)

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        self.cache.make_room(state, 'cache.')

    def forward(self, features: Tensor) -> Tensor:
        self.cache.check()
        with torch.autocast(features.device.type, enabled=False):
            similarity = self._similarity(self._prepared(features))
            nearest, rows = similarity.topk(min(self.k, len(self.cache)), dim=1)
            # measured from the nearest, which changes no share and cannot overflow
            weights = ((nearest - nearest[:, :1]) / self.temperature).exp()
            votes = weights.new_zeros(len(features), self.cache.classes)
            votes.scatter_add_(1, self.cache.labels[rows], weights)
            return votes.clamp(min=torch.finfo(votes.dtype).tiny).log()

    def _prepared(self, features: Tensor) -> Tensor:
        features = features.to(self.cache.dtype)
        return nn.functional.normalize(features, dim=-1) if self.metric == 'cosine' else features

    def _similarity(self, features: Tensor) -> Tensor:
        if self.metric == 'cosine':
            return features @ self.cache.keys.T
        return -torch.cdist(features, self.cache.keys)

    def extra_repr(self) -> str:
        return f'k={self.k}, temperature={self.temperature:g}, {self.metric}'
