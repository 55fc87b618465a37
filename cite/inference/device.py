"""The device that computes."""

from __future__ import annotations

import os

import torch

from cite.errors import ConfigError


def settle_device(name: str | None) -> torch.device:
    """'cpu', 'cuda' or 'cuda:N'; by default a GPU where there is one, each process on a machine its own.

    Raises:
        ConfigError: A device that is not there, or of another kind.
    """
    count = torch.cuda.device_count()
    if name is None:
        if not torch.cuda.is_available():
            return torch.device('cpu')
        local = os.environ.get('LOCAL_RANK') or os.environ.get('SLURM_LOCALID') or '0'
        return torch.device('cuda', int(local) % count)
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ('cpu', 'cuda'):
        raise ConfigError(f"device must be 'cpu', 'cuda' or 'cuda:N', found {name!r}")
    if device.type == 'cuda' and (device.index or 0) >= count:
        raise ConfigError(f'there is no device {name!r}: torch sees {count} GPUs')
    return device
