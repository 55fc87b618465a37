"""The weights in a TorchScript archive, read without running it.

`torch.jit.load` runs no Python, but it compiles the archive's own program and runs the parts that modules
define for loading, and PyTorch advises against it for files of others. The weights lie beside that program
as plain bytes, so they are all that is read here: the object tree through an unpickler that knows nothing
but tensors and inert objects, the program as text, for which tensors are parameters and buffers.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cite.errors import CheckpointError

_STORAGES = {
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'DoubleStorage': torch.float64,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}
_CLASS = re.compile(
    r'^class (\w+)\(Module\):\n  __parameters__ = \[(.*?)\]\n  __buffers__ = \[(.*?)\]',
    re.MULTILINE,
)


def is_torchscript(names: list[str]) -> bool:
    """Whether an archive with files of these names is TorchScript's; `torch.save` writes no constants."""
    return any(name.endswith('/constants.pkl') for name in names)


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """What `torch.jit.load(path).state_dict()` gives: parameters and buffers by name, on the CPU.

    Raises:
        CheckpointError: The archive holds tensors of a kind that is not known here.
        Exception: Whatever pickle and zip raise of damaged files.
    """
    with zipfile.ZipFile(path) as archive:
        root = next(n for n in archive.namelist() if n.endswith('/constants.pkl')).split('/')[0]
        if (
            f'{root}/byteorder' in archive.namelist()
            and archive.read(f'{root}/byteorder') == b'big'
        ):
            raise CheckpointError(f'{path} was written on a big-endian machine, which is not read')
        content = archive.read(f'{root}/data.pkl')
        module = _Unpickler(content, lambda key: archive.read(f'{root}/data/{key}'), path).load()
        return dict(_tensors(module, '', _declared(archive, root)))


class _Object:
    """Stands for an object of a class that the archive defines: its attributes, no behaviour."""

    cls = ''
    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Builds tensors, containers and inert objects. No other name in a file is looked up."""

    def __init__(self, content: bytes, storage: Callable[[str], bytes], path: Path) -> None:
        super().__init__(io.BytesIO(content))
        self._storage = storage
        self._path = path
        self._known: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f'{module}.{name}'
        if full.startswith('__torch__.'):
            return type('_Object', (_Object,), {'cls': full})
        if full == 'torch._utils._rebuild_tensor_v2':
            return _strided
        if full == 'collections.OrderedDict':
            return OrderedDict
        if module == 'torch' and name in _STORAGES:
            return _STORAGES[name]
        if module == 'torch.jit._pickle':  # lists and dicts with the types of what is in them
            return _first
        raise CheckpointError(f'{self._path} holds {full}, which is not loaded; expected tensors')

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, *_ = pid
        if key not in self._known:
            content = bytearray(self._storage(key))
            self._known[key] = (
                torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            )
        return self._known[key]


def _strided(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _first(value: Any, *_: Any) -> Any:
    return value


def _declared(archive: zipfile.ZipFile, root: str) -> dict[str, set[str]]:
    """Class → names of its parameters and buffers, from the text of the archive's program."""
    found = {}
    for name in archive.namelist():
        if name.startswith(f'{root}/code/') and name.endswith('.py'):
            module = name.removeprefix(f'{root}/code/').removesuffix('.py').replace('/', '.')
            for cls, *kinds in _CLASS.findall(archive.read(name).decode()):
                found[f'{module}.{cls}'] = set(re.findall(r'"(.*?)"', ' '.join(kinds)))
    return found


def _tensors(module: Any, prefix: str, declared: Mapping[str, set[str]]) -> Any:
    if not isinstance(module, _Object) or not isinstance(module.state, Mapping):
        return
    for name, value in module.state.items():
        if not isinstance(value, Tensor):
            yield from _tensors(value, f'{prefix}{name}.', declared)
        elif name in declared.get(module.cls, {name}):  # not what a module merely keeps at hand
            yield f'{prefix}{name}', value
