"""A tower's blocks through `torch.compile`, each by itself, so that all of one kind are compiled once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from cite.errors import ConfigError

MODES = {True: 'default', 'cudagraphs': 'reduce-overhead'}
OPTIONS = (False, True, 'auto', 'cudagraphs')


def compile_mode(option: bool | str, device: str) -> str | None:
    """What to compile with: a mode of `torch.compile`, or None.

    Args:
        option: False; True; 'auto': on GPUs, and on CPUs where there is a C++ compiler; 'cudagraphs': on
            GPUs, and blocks are started as one, for batches that are all of one size.
        device: 'cuda' or 'cpu'.

    Raises:
        ConfigError: Another option, or CUDA graphs without a GPU.
    """
    if option not in OPTIONS:
        raise ConfigError(f'model.compile must be one of {list(OPTIONS)}, found {option!r}')
    if option == 'cudagraphs' and device != 'cuda':
        raise ConfigError(
            "model.compile='cudagraphs' needs a GPU; use True, 'auto' or False on a CPU"
        )
    if option == 'auto':
        option = device == 'cuda' or _has_compiler()
    return MODES.get(option)


def compile_blocks(blocks: Sequence[nn.Module], mode: str) -> None:
    """Compiles them in place when they are first called; names, hooks and weights stay theirs.

    Where PyTorch fails to, all of them run as they are, and one warning says so.
    """
    fallback = _Fallback(blocks)
    for block in blocks:
        block.compile(mode=mode)
        fallback.guard(block)


class _Fallback:
    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        self.blocks = blocks

    def guard(self, block: Any) -> None:
        compiled: Callable[..., Any] = block._compiled_call_impl

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return compiled(*args, **kwargs)
            except torch._dynamo.exc.TorchDynamoException as error:
                self._give_up(error)
                return block(*args, **kwargs)

        block._compiled_call_impl = call

    def _give_up(self, error: Exception) -> None:
        for block in self.blocks:
            block._compiled_call_impl = None
        reason = [*str(error).strip().splitlines(), ''][0][:200]
        warnings.warn(
            f'{type(self.blocks[0]).__name__} cannot be compiled, and runs as it is '
            f'({type(error).__name__}: {reason}). Set model.compile=False',
            stacklevel=2,
        )


def _has_compiler() -> bool:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True
