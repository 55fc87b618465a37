"""Read a state dict from the file formats that vision models are published in.

Formats are told apart by content, since names lie: `.pt` may be a TorchScript archive (OpenAI CLIP)
and a failed download is often a web page. Nothing here runs pickled code.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cite.encoders.files.shards import INDEX, read_shards
from cite.encoders.files.torchscript import is_torchscript, read_torchscript
from cite.errors import CheckpointError

# Tried in this order, again and again until none is found. A self-distilled model's teacher is the
# one its authors evaluate, so it wins over the student.
CONTAINERS = ('model', 'state_dict', 'teacher', 'student')
PREFIXES = ('module.', 'teacher.', 'backbone.', 'encoder.')
# What stands beside a wrapped backbone
_BESIDE = ('dino_head.', 'ibot_head.', 'head.', 'neck.', 'dino_loss.')


class _Ignored:
    """Stands for a setting that was saved beside the weights: takes any content and keeps none."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


# MAE, DINO and their descendants save their command line beside the weights, others learning rates that
# NumPy computed. What these names stand for is never built: they are read as nothing.
_BESIDE_WEIGHTS = (
    'argparse.Namespace',
    'numpy.core.multiarray.scalar',
    'numpy._core.multiarray.scalar',
    'numpy.dtype',
)


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, out of their containers and without wrappers' prefixes.

    Reads safetensors, `torch.save` files (weights only; an `argparse.Namespace` and NumPy numbers beside
    the weights are left out), TorchScript archives and `.npz`, all to the CPU in their stored dtype. An
    index of shards ('model.safetensors.index.json') stands for the files that it lists.

    Containers: the first of 'model', 'state_dict', 'teacher', 'student' that holds a dict, and so
    on inside it.
    Prefixes: 'module.', 'teacher.', 'backbone.', 'encoder.', where every key has it or what has not
    is a projection head; beside a teacher the student is left out.

    Raises:
        CheckpointError: No such file, damaged, of an unknown format, or no tensors in it.
    """
    path = Path(path)
    content = read_shards(path, _read) if path.name.endswith(INDEX) else _read(path)
    return unwrap(content, str(path))


def read_parts(folder: Path, parts: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors of a model that is in several files, see `Source.parts`.

    Raises:
        CheckpointError: As `read_state`.
    """
    return {
        f'{prefix}{name}': value
        for prefix, file in parts
        for name, value in read_state(folder / file).items()
    }


def _read(path: Path) -> Any:
    try:
        with path.open('rb') as file:
            head = file.read(64)
    except OSError as error:
        raise CheckpointError(f'cannot read {path}: {error.strerror or error}') from error
    try:
        return _load(path, head)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        named = re.search(r'GLOBAL ([\w.]+)', str(error))
        raise CheckpointError(
            f'{path} is damaged, or holds Python objects besides tensors'
            f'{f" ({named[1]})" if named else ""}, which are not loaded '
            'because that can run foreign code. Download it again, or save its state dict as '
            'safetensors where you trust it'
        ) from error
    except Exception as error:
        # the readers raise their own, pickle's, zip's and the system's errors
        raise CheckpointError(
            f'{path} ({path.stat().st_size} bytes) is damaged or incomplete. Download it again '
            f'[{str(error).strip().splitlines()[0] if str(error) else type(error).__name__}]'
        ) from error


def unwrap(content: Any, what: str) -> dict[str, Tensor]:
    """The state dict inside a checkpoint's containers and prefixes; see `read_state`.

    Values that are no tensors (epoch counts, settings) are left out.
    """
    while isinstance(content, Mapping):
        inner = (content[name] for name in CONTAINERS if isinstance(content.get(name), Mapping))
        found = next(inner, None)
        if found is None:
            break
        content = found
    if not isinstance(content, Mapping):
        raise CheckpointError(f'{what}: expected a state dict, found a {type(content).__name__}')
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise CheckpointError(
            f'{what}: no tensors in it; its keys: {", ".join(map(str, list(content)[:5]))}'
        )
    return _strip_prefixes(state)


def _strip_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        inside = [key for key in state if key.startswith(prefix)]
        passed = (prefix, 'student.') if prefix == 'teacher.' else (prefix,)  # same model, worse
        beside = [key for key in state if not key.startswith(passed)]
        if inside and all(key.startswith(_BESIDE) for key in beside):
            kept = {key: state[key] for key in beside}
            return _strip_prefixes({k.removeprefix(prefix): state[k] for k in inside} | kept)
    return state


def _load(path: Path, head: bytes) -> Any:
    if head.startswith(b'PK'):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if is_torchscript(names):
            return read_torchscript(path)
        if all(name.endswith('.npy') for name in names):
            return _load_arrays(path)
        if not any(name.endswith('data.pkl') for name in names):
            raise CheckpointError(f'{path} is a zip archive without PyTorch weights in it')
        return _load_torch(path, mmap=True)
    if head.startswith(b'\x80'):
        return _load_torch(path, mmap=False)  # the format before PyTorch 1.6
    if head[8:9] == b'{':
        from safetensors.torch import load_file

        return load_file(path)
    start = head.lstrip().lower()
    if start.startswith(b'<'):
        raise CheckpointError(
            f'{path} is a web page, not weights: the download needs a login or the link is wrong. '
            'Download it again'
        )
    if start.startswith(b'version https://git-lfs'):
        raise CheckpointError(f'{path} is a git-lfs pointer, not weights. Run `git lfs pull`')
    raise CheckpointError(
        f'{path} is no weights file that can be read: expected safetensors, a torch.save file, a '
        f'TorchScript archive or an .npz, found {"an empty file" if not head else "something else"}'
    )


def _load_torch(path: Path, mmap: bool) -> Any:
    # other libraries allow names of their own in this process, whole NumPy arrays among them
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with torch.serialization.safe_globals([(_Ignored, name) for name in _BESIDE_WEIGHTS]):
            return torch.load(path, map_location='cpu', weights_only=True, mmap=mmap)
    finally:
        torch.serialization.add_safe_globals(others)


def _load_arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        numbers = {name: arrays[name] for name in arrays.files if arrays[name].dtype.kind in 'fiub'}
    return {name: torch.from_numpy(array) for name, array in numbers.items()}
