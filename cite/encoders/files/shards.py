"""Weights in several files, and the index that says which tensor is in which."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from torch import Tensor

from cite.errors import CheckpointError

INDEX = '.index.json'


def shard_names(index: Path) -> dict[str, str]:
    """Tensor → the file beside `index` that holds it.

    Raises:
        CheckpointError: No index in the hub's layout, or a file that is not beside it.
    """
    try:
        content = json.loads(index.read_text(encoding='utf-8'))
        names = dict(content['weight_map'])
    except OSError as error:
        raise CheckpointError(f'cannot read {index}: {error.strerror or error}') from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f'{index} is no index of weights: expected JSON with a "weight_map" of tensors and files'
        ) from error
    for file in names.values():
        plain = isinstance(file, str) and file not in ('', '.', '..')
        if not plain or {PurePosixPath(file).name, PureWindowsPath(file).name} != {file}:
            raise CheckpointError(
                f'{index} names {file!r}; expected names of files in its own folder'
            )
    return names


def read_shards(index: Path, read: Callable[[Path], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All tensors that an index lists.

    Args:
        index: `model.safetensors.index.json` or the like.
        read: File → its tensors as they are named in it.

    Raises:
        CheckpointError: A tensor that is not in the file that should hold it, or one that the index does
            not list; or whatever `read` raises.
    """
    names = shard_names(index)
    state: dict[str, Tensor] = {}
    for file in sorted(set(names.values())):
        listed = {name for name, home in names.items() if home == file}
        found = read(index.parent / file)
        odd = sorted(listed ^ found.keys())
        if odd:
            raise CheckpointError(
                f'{index.parent / file} and {index.name} disagree on {len(odd)} tensors such as '
                f'{", ".join(odd[:5])}. Download both again'
            )
        state |= found
    return state
