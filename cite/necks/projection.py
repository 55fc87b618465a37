"""The projection of CITE (Zhang et al., MICCAI 2023): one linear layer from image to text space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.necks.base import NECKS, Neck


def _normal(weight: Tensor) -> None:
    nn.init.normal_(weight, std=0.02)


def _normal_identity(weight: Tensor) -> None:
    _normal(weight)
    weight.add_(torch.eye(*weight.shape, device=weight.device))


INITS: dict[str, Callable[[Tensor], object]] = {
    'kaiming_uniform': lambda weight: None,  # what nn.Linear does by itself
    'normal': _normal,
    'identity': nn.init.eye_,
    'normal_identity': _normal_identity,
}


@NECKS.register
class ProjectionNeck(Neck):
    """activation → linear → activation.

    Args:
        in_features: Inferred from the tower; may be given, and is then checked.
        out_features: Inferred from the head (the size of its text embeddings); likewise.
        init: Weight: 'kaiming_uniform' (PyTorch's own), 'normal' (std 0.02), 'identity' (ones on the
            diagonal of the rectangle), 'normal_identity' (their sum: a feature that fits passes nearly
            as it is). The bias is PyTorch's uniform ±1/√in in every case, as in the original code.
        act_before, act_after: Names of activations in `torch.nn`, such as 'ReLU'.
        bias: Whether the layer has a bias.
        frozen: Keeps the weights as they were initialised; only what is in front of them trains.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int | None = None,
        out_features: int | None = None,
        init: str = 'normal_identity',
        act_before: str | None = None,
        act_after: str | None = None,
        bias: bool = True,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if init not in INITS:
            raise ConfigError(
                f'ProjectionNeck: init must be one of {", ".join(INITS)}, found {init!r}'
            )
        self.in_features = in_features
        self.out_features = out_features
        self.init = init
        self.has_bias = bias
        self.frozen = frozen
        self.act_before = _activation(act_before)
        self.act_after = _activation(act_after)

    def attach(self, in_features: int, wanted: int | None) -> None:
        for what, given, inferred in (
            ('in_features', self.in_features, in_features),
            ('out_features', self.out_features, wanted),
        ):
            if given is not None and inferred is not None and given != inferred:
                side = 'the tower gives' if what == 'in_features' else 'the head takes'
                raise ConfigError(
                    f'ProjectionNeck: {what}={given}, but {side} {inferred}. '
                    f'Leave model.neck.{what} out to have it inferred'
                )
        self.in_features = in_features
        self.out_features = wanted or self.out_features or in_features
        linear = nn.Linear(self.in_features, self.out_features, bias=self.has_bias)
        with torch.no_grad():
            INITS[self.init](linear.weight)
        self.weight = nn.Parameter(linear.weight.detach())
        self.bias = nn.Parameter(linear.bias.detach()) if self.has_bias else None
        self.requires_grad_(not self.frozen)

    def forward(self, features: Tensor) -> Tensor:
        projected = nn.functional.linear(self.act_before(features), self.weight, self.bias)
        return self.act_after(projected)

    def extra_repr(self) -> str:
        return f'{self.in_features} → {self.out_features}, {self.init}'


def _activation(name: str | None) -> nn.Module:
    if name is None:
        return nn.Identity()
    cls = getattr(nn.modules.activation, name, None)
    try:
        if name not in nn.modules.activation.__all__ or cls is None:
            raise TypeError
        activation: nn.Module = cls()
    except TypeError as error:  # not one of them, or one that needs arguments (Threshold)
        raise ConfigError(
            f"ProjectionNeck: {name!r} is no activation of torch.nn; try 'ReLU', 'GELU' or 'Tanh'"
        ) from error
    return activation
