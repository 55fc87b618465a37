"""A frozen trunk with the little that tunes it: what vision and text towers have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from cite.encoders.speed.half import hold
from cite.frozen import digest, freeze, hide_frozen, trainable
from cite.tuning.base import NoTuning, Tuning

if TYPE_CHECKING:
    Tower = TypeVar('Tower', bound='TunedTower')


class TunedTower(nn.Module):
    """Base of towers.

    The trunk is frozen and stays in eval mode (dropout, stochastic depth, BatchNorm), except under a
    tuning that trains all of it. State dicts hold what trains only.
    """

    trunk: nn.Module
    tuning: Tuning

    def tune(self, tuning: Tuning | None) -> None:
        """Freezes the trunk and lets the tuning in; to be called once, when trunk and sizes are set."""
        freeze(self.trunk)
        self.tuning = tuning or NoTuning()
        whole: Any = self  # tunings tell vision from text towers
        self.tuning.attach(whole)
        # weights that are about to train are taken down before; frozen ones can be read at any time
        self._digest = self.frozen_digest() if trainable(self.trunk) else None
        trains_some = bool(self._trained_own()) and not self.tuning.trains_all
        self._rest = self._rest_digest() if trains_some else None
        # the trunk is in eval mode, and its statistics stand, unless all of it trains
        hide_frozen(self, 'trunk', buffers=not self.tuning.trains_all)
        self.train(self.training)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights that the tower was loaded with; adapters name their base by it."""
        if self._digest is None:
            self._digest = self.frozen_digest()
        return self._digest

    def hold_frozen(self, dtype: torch.dtype) -> None:
        """Keeps frozen matrices in the format that autocast casts them to, once and not in every pass.

        For training: the tower computes under autocast to that format from then on, and its weights are
        no longer those that `digest` names. Merging and export start from a tower that is loaded anew.
        """
        _ = self.digest  # of what was loaded
        hold(self.trunk, dtype)
        self._rest = None if self.tuning.trains_all else self._rest_digest()

    def frozen_digest(self) -> str:
        """SHA-256 of the trunk's own weights as they are now."""
        return digest(self.tuning.own_weights(self.trunk.state_dict().items()))

    def frozen_stands(self) -> bool:
        """Whether every weight that does not train is the one that was loaded, or that is held since."""
        if self.tuning.trains_all:
            return True
        if self._rest is None:
            return self.frozen_digest() == self.digest
        return self._rest_digest() == self._rest

    def unfreeze(self) -> None:
        """Lets the whole trunk train, but for what the feature does not hang on."""
        self.trunk.requires_grad_(True)
        for weight in self.untouched():
            weight.requires_grad_(False)

    def untouched(self) -> list[nn.Parameter]:
        """Weights of the trunk that have no part in the feature, and never train."""
        return []

    def _trained_own(self) -> set[str]:
        """Names of the trunk's own weights that train."""
        return {name for name, _ in self.tuning.own_weights(trainable(self.trunk).items())}

    def _rest_digest(self) -> str:
        trained = self._trained_own()
        own = self.tuning.own_weights(self.trunk.state_dict().items())
        return digest((name, value) for name, value in own if name not in trained)

    def train(self: Tower, mode: bool = True) -> Tower:
        """Training mode for the tuning; the trunk follows as far as the tuning lets it."""
        super().train(mode)
        self.tuning.set_mode(self.trunk, mode)
        return self


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, the module is in eval mode; afterwards in the mode that it was in."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
