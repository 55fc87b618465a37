"""Load a state dict, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cite.errors import CheckpointError
from cite.state import misfit


def load_strict(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Copy `state` into `model`.

    Args:
        model: Its state dict says what is expected.
        state: Names and shapes must be exactly the model's.
        what: Names the weights in the error.

    Raises:
        CheckpointError: Keys are missing, unexpected or of another shape (up to 5 of each are
            named). The model is then unchanged.
    """
    problems = misfit(state, model.state_dict())
    if problems:
        raise CheckpointError(
            f'{what} does not fit the model: {problems}. Use the weights '
            'of this very architecture, or name the architecture (model=) that they belong to'
        )
    model.load_state_dict(dict(state), strict=True)
