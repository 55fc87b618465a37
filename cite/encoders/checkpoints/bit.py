"""BiT's names in TensorFlow: Google's `.npz` files, and the variables of REMEDIS.

`resnet/block1/unit01/a/standardized_conv2d/kernel` and so on. What stands before `root_block` is found
from the names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.errors import CheckpointError

if TYPE_CHECKING:
    from torch import nn

LAYOUT = 'BiT (TensorFlow)'

ROOT = 'root_block/standardized_conv2d/kernel'
_UNIT = re.compile(r'block(\d+)/unit(\d+)/([abc])/(proj/)?(\w+)/(\w+)')
_NUMBER = {'a': 1, 'b': 2, 'c': 3}
_NORM = {'gamma': 'weight', 'beta': 'bias'}


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are BiT's own, under any prefix."""
    return any(_plain(key).endswith(ROOT) for key in state)


def convert(state: Mapping[str, Tensor], model: nn.Module | None = None) -> dict[str, Tensor]:
    """To timm's names and order of axes; as `from_tensorflow` with the prefix found."""
    return from_tensorflow(state)


def find_prefix(names: list[str]) -> str:
    """What stands before BiT's own names, such as 'resnet/' or ''.

    Raises:
        CheckpointError: No convolution of a root block, or several.
    """
    found = sorted({_plain(n).removesuffix(ROOT) for n in names if _plain(n).endswith(ROOT)})
    if len(found) == 1:
        return found[0]
    listed = ', '.join(names[:5]) + (f' and {len(names) - 5} more' if len(names) > 5 else '')
    if found:
        raise CheckpointError(
            f'the variables hold {len(found)} BiT networks, under {", ".join(map(repr, found[:5]))}: '
            'say which by its prefix'
        )
    raise CheckpointError(
        f'no BiT network in these variables: expected one that ends in {ROOT!r}, found {listed or "none"}'
    )


def from_tensorflow(state: Mapping[str, Tensor], prefix: str | None = None) -> dict[str, Tensor]:
    """Variables of BiT in TensorFlow → timm's names of `resnetv2_*_bit`.

    Args:
        state: Name → value, kernels as (height, width, in, out). Names may end in ':0'.
        prefix: What stands before 'root_block' in the names; found from the names when None.

    Returns:
        Kernels as (out, in, height, width). What has no such name is kept under its own, for the strict
        loader to refuse.

    Raises:
        CheckpointError: The prefix cannot be found, or nothing has the given one.
    """
    if prefix is None:
        prefix = find_prefix(list(state))
    elif not any(_plain(name).startswith(f'{prefix}root_block/') for name in state):
        raise CheckpointError(
            f'no variable starts with {prefix + "root_block/"!r}; the first are '
            f'{", ".join(list(state)[:5])}'
        )
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _plain(key)
        new = _timm_name(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if new is None:
            converted[key] = value
        elif new in converted:
            raise CheckpointError(f'{key!r} and another variable both stand for {new}')
        else:
            converted[new] = _timm_value(name, value)
    return converted


def _plain(name: str) -> str:
    return name.removesuffix(':0')


def _timm_name(name: str) -> str | None:
    if name == ROOT:
        return 'stem.conv.weight'
    if name in ('head/conv2d/kernel', 'head/conv2d/bias'):
        return f'head.fc.{"weight" if name.endswith("kernel") else "bias"}'
    if name in ('group_norm/gamma', 'group_norm/beta'):
        return f'norm.{_NORM[name.rpartition("/")[2]]}'
    unit = _UNIT.fullmatch(name)
    if unit is None:
        return None
    block, number, letter, projection, layer, variable = unit.groups()
    where = f'stages.{int(block) - 1}.blocks.{int(number) - 1}'
    if (layer, variable) == ('standardized_conv2d', 'kernel'):
        if projection:
            return f'{where}.downsample.conv.weight' if letter == 'a' else None
        return f'{where}.conv{_NUMBER[letter]}.weight'
    if layer == 'group_norm' and variable in _NORM and not projection:
        return f'{where}.norm{_NUMBER[letter]}.{_NORM[variable]}'
    return None


def _timm_value(name: str, value: Tensor) -> Tensor:
    if name.endswith('/kernel') and value.ndim == 4:
        return value.permute(3, 2, 0, 1).contiguous()
    return value.flatten()  # scales and shifts; some versions store them as (1, 1, 1, C)
