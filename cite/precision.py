"""Which number format the frozen part computes in. Trained weights, heads and losses stay float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch.overrides import _get_current_function_mode_stack

from cite.attention import ByProducts, pays
from cite.errors import ConfigError

PRECISIONS: dict[str, torch.dtype | None] = {
    'fp32': None,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
}


def settle_precision(precision: str, device: torch.device | str) -> str:
    """'auto' → what the hardware is fast at: bf16 where it has it, else fp16 on GPUs, else fp32.

    Raises:
        ConfigError: An unknown name, or fp16 where there is no GPU.
    """
    kind = torch.device(device).type
    if precision == 'auto':
        if kind == 'cuda':
            return 'bf16' if torch.cuda.is_bf16_supported(including_emulation=False) else 'fp16'
        return 'bf16' if kind == 'cpu' and _cpu_has_bf16() else 'fp32'
    if precision not in PRECISIONS:
        raise ConfigError(f'precision must be auto, {", ".join(PRECISIONS)}; found {precision!r}')
    if precision == 'fp16' and kind == 'cpu':
        raise ConfigError("precision='fp16' needs a GPU; use 'bf16', 'fp32' or 'auto' on a CPU")
    return precision


def autocast(precision: str, device: torch.device | str) -> AbstractContextManager[object]:
    """Context in which matrix products run in a settled precision on that device.

    On CPUs, attention in bf16 is computed as `cite.attention` does it where that pays.
    """
    dtype = PRECISIONS[precision]
    if dtype is None:
        return nullcontext()
    kind = torch.device(device).type
    if kind == 'cpu' and pays():
        return _with_attention(dtype)
    return torch.autocast(kind, dtype=dtype)


def same_attention() -> AbstractContextManager[object]:
    """Context in which attention is computed as it is here, for what is computed again elsewhere."""
    inside = any(isinstance(mode, ByProducts) for mode in _get_current_function_mode_stack())
    return ByProducts() if inside else nullcontext()


@contextmanager
def _with_attention(dtype: torch.dtype) -> Iterator[None]:
    with torch.autocast('cpu', dtype=dtype), ByProducts():
        yield


def _cpu_has_bf16() -> bool:
    """Native bf16 products (AVX-512 BF16 or AMX); emulated ones are slower than fp32."""
    return any(
        getattr(torch.cpu, name, bool)()
        for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    )
