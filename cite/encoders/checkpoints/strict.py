"""Load a state dict, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from cite.errors import CheckpointError


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
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    problems = [
        _listed(expected.keys() - found.keys(), 'missing'),
        _listed(found.keys() - expected.keys(), 'unexpected'),
        _listed(
            (
                f'{key} is {found[key]}, the model has {expected[key]}'
                for key in expected.keys() & found.keys()
                if found[key] != expected[key]
            ),
            'of another shape',
        ),
    ]
    if any(problems):
        raise CheckpointError(
            f'{what} does not fit the model: {"; ".join(filter(None, problems))}. Use the weights '
            'of this very architecture, or name the architecture (model=) that they belong to'
        )
    model.load_state_dict(dict(state), strict=True)


def _listed(items: Iterable[str], kind: str) -> str:
    names = sorted(items)
    if not names:
        return ''
    more = f' and {len(names) - 5} more' if len(names) > 5 else ''
    return f'{len(names)} {kind} ({", ".join(names[:5])}{more})'
