"""What a head is: features in, one logit per class out. No losses, no data samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from cite.registry import Registry

HEADS = Registry('head', 'cite.heads', 'cite.legacy')


class Head(nn.Module):
    """Base of all heads.

    `in_features` is the size that the head insists on (a text head: the size of its anchors), or None
    where it takes whatever the neck or the tower gives.
    """

    paper: ClassVar[str] = ''
    """Where the method comes from, short form."""
    takes_features: ClassVar[bool] = False
    """Whether it is made from the features of the training patches: `fit` is called before training."""

    needs_text_encoder: ClassVar[bool] = False
    """Whether it encodes texts where it is used, so that an adapter must name its text encoder."""

    in_features: int | None = None

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        """Creates weights for features of that size and these classes, or checks what it has."""
        raise NotImplementedError

    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Takes in what the frozen part makes of the training patches, once, before anything trains.

        Only of a head that `takes_features`; a checkpoint or an adapter that is loaded stands in its place.

        Args:
            features: (N, in_features) float32, of all training patches, unaugmented.
            labels: (N,) int64.
        """
        raise NotImplementedError

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        """Gives what hangs on the number of training patches the sizes that it has in a state to load.

        Args:
            state: The state of this head, under its own names. It is from a file, and may be anything.
        """

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, in_features) → logits (B, classes) in float32."""
        raise NotImplementedError

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """How many weights train, by the method's formula: from sizes, not by counting."""
        return 0

    def frozen_form(self) -> Head:
        """The head that an adapter stores: itself, or one that computes the same and needs less."""
        return self

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Its spec in a config → the spec under which an adapter holds it; the same, as a rule.

        Of a `frozen_form`, the spec of that form.
        """
        return spec


def of_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From a classifier's state, that of its head, under the head's own names."""
    return {k.removeprefix('head.'): v for k, v in state.items() if k.startswith('head.')}
