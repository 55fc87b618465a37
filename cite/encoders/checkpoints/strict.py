"""Load a state dict, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cite.encoders.checkpoints.causes import likely_cause
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
            named), with the likely cause. The model is then unchanged.
    """
    wanted = model.state_dict()
    problems = misfit(state, wanted)
    if problems:
        cause = likely_cause(*({k: tuple(v.shape) for k, v in s.items()} for s in (state, wanted)))
        raise CheckpointError(f'{what} does not fit the model: {problems}. {cause}')
    model.load_state_dict(dict(state), strict=True)
