"""Which number format the frozen part computes in. Trained weights, heads and losses stay float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

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
    """Context in which matrix products run in a settled precision on that device."""
    dtype = PRECISIONS[precision]
    if dtype is None:
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=dtype)


def _cpu_has_bf16() -> bool:
    """Native bf16 products (AVX-512 BF16 or AMX); emulated ones are slower than fp32."""
    return any(
        getattr(torch.cpu, name, bool)()
        for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    )
