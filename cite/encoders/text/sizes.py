"""Sizes of a text model, read off the weights in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from cite.errors import CheckpointError

HEAD_WIDTH = 64
"""Of an attention head, in every published text half: shapes do not tell."""


def matrix_sizes(
    state: Mapping[str, Tensor], names: Sequence[str], what: str, half: str
) -> list[tuple[int, int]]:
    """Shapes of the matrices that tell the sizes of a pair's text half.

    Args:
        state: The whole file's; it must hold the pair's 'logit_scale', too.
        names: Of the matrices; the first is the table of words, (vocabulary, width).
        what: Names the weights in the error.
        half: What the file should hold, for the error: 'text half of CONCH'.

    Raises:
        CheckpointError: One is missing, is no matrix, or the width holds no whole number of heads.
    """
    missing = [name for name in (*names, 'logit_scale') if name not in state]
    if missing:
        raise CheckpointError(f'{what} holds no {half}: no {", ".join(missing)}')
    shapes = [tuple(state[name].shape) for name in names]
    sizes = [(shape[0], shape[1]) for shape in shapes if len(shape) == 2]
    if len(sizes) < len(shapes) or sizes[0][1] < HEAD_WIDTH or sizes[0][1] % HEAD_WIDTH:
        raise CheckpointError(
            f'{what} holds no {half}: {", ".join(names)} have the shapes {shapes}; expected matrices, a '
            f'multiple of {HEAD_WIDTH} wide'
        )
    return sizes
