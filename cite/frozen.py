"""The frozen part of a model: its digest, and keeping it out of every saved file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import Tensor, nn


def freeze(module: nn.Module) -> None:
    """No parameter of the module takes a gradient any more."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that train, by name, in the order in which the module holds them."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over names, shapes and values (as little-endian float32), in order of name.

    Two models with the same digest compute the same thing, whatever file they were read from. Of weights
    that are spread over processes, all of them have to ask.
    """
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        value = _whole(tensor.detach()).cpu()
        if value.is_floating_point():
            value = value.float()
        sha.update(f'{name}{tuple(value.shape)}'.encode())
        sha.update(value.contiguous().numpy().tobytes())
    return sha.hexdigest()


def _whole(tensor: Tensor) -> Tensor:
    """A DTensor gathered from all processes; any other tensor as it is."""
    gather: Callable[[], Tensor] | None = getattr(tensor, 'full_tensor', None)
    return tensor if gather is None else gather()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    sha = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 24):
            sha.update(block)
    return sha.hexdigest()


def hide_frozen(owner: nn.Module, child: str, buffers: bool = False) -> None:
    """Keeps the frozen weights of `owner.<child>` out of state dicts, and out of 'missing keys'.

    The frozen tower is found by its name and checked by its digest, so a copy of it in each
    checkpoint would only cost space. Weights of the child that train are saved as any other.

    Args:
        buffers: The child's buffers (statistics of BatchNorm) stand whatever trains. By default they
            count as frozen where nothing trains.
    """

    def drop(module: nn.Module, state: dict[str, Any], prefix: str, _metadata: object) -> None:
        for name in _frozen_names(module, child, buffers):
            state.pop(prefix + name, None)

    prefixes: list[str] = []

    def note_prefix(_module: nn.Module, _state: dict[str, Any], prefix: str, *_: object) -> None:
        prefixes[:] = [prefix]  # of whatever the owner sits in; `forgive` is not told

    def forgive(module: nn.Module, incompatible: Any) -> None:
        frozen = {prefixes[0] + name for name in _frozen_names(module, child, buffers)}
        missing = incompatible.missing_keys
        missing[:] = [key for key in missing if key not in frozen]

    owner.register_state_dict_post_hook(drop)
    owner.register_load_state_dict_pre_hook(note_prefix)
    owner.register_load_state_dict_post_hook(forgive)


def _frozen_names(owner: nn.Module, child: str, buffers: bool) -> set[str]:
    module = owner.get_submodule(child)
    # a weight that two layers share has two names in a state dict
    every = module.named_parameters(remove_duplicate=False)
    names = {f'{child}.{n}' for n, p in every if not p.requires_grad}
    if buffers or not trainable(module):
        names.update(f'{child}.{n}' for n, _ in module.named_buffers())
    return names
