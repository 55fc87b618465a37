"""The machine: device, disk, caches, the hub, the folder of weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cite.cli.finding import Finding, failed, passed, warned
from cite.errors import ConfigError

ROOM = 5 * 2**30
"""Free bytes below which a download of a large model is likely to fail: they take 1 to 5 GB."""
TIMEOUT = 5.0


def findings() -> Iterator[Finding]:
    """In the order in which they matter."""
    yield _device()
    yield from _caches()
    yield from _weights()
    yield _hub()


def _device() -> Finding:
    import torch

    from cite.precision import settle_precision

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device == 'cpu':
        name = f'{os.cpu_count()} CPU cores, no GPU'
    else:
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        name = f'{torch.cuda.get_device_name()}, {memory:.0f} GB'
    return passed(f'device: {name}; precision auto is {settle_precision("auto", device)}')


def _caches() -> Iterator[Finding]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from cite.paths import cache_dir

    for label, folder, variable in (
        ('cache', cache_dir(), 'CITE_CACHE'),
        ('hub cache', Path(HF_HUB_CACHE), 'HF_HOME'),
    ):
        there = next(f for f in (folder, *folder.parents) if f.is_dir())
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            yield warned(f'{label} {folder} cannot be written', f'set {variable} to another folder')
        elif free < ROOM:
            yield warned(
                f'{label} {folder} has {free / 2**30:.1f} GB left',
                f'make room, or set {variable} to another folder',
            )
        else:
            yield passed(f'{label} {folder}, {free / 2**30:.0f} GB free')


def _weights() -> Iterator[Finding]:
    from cite.encoders.catalogue import all_rows
    from cite.encoders.files.sources import placed_file, placed_folder
    from cite.paths import weights_dir

    try:
        folder = weights_dir()
    except ConfigError as error:
        yield failed(str(error))
        return
    if folder is None:
        yield passed('CITE_WEIGHTS is not set: weights come from the hub, or as paths')
        return
    placed = [row.name for row in all_rows() if placed_file(row) or placed_folder(row.name)]
    names = ', '.join(dict.fromkeys(placed))
    if names:
        yield passed(f'CITE_WEIGHTS {folder} holds {names}')
    else:
        yield warned(
            f'CITE_WEIGHTS {folder} holds no model of the zoo',
            'a file is found by its short name (uni.safetensors), or as its authors call it',
        )


def _hub() -> Finding:
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        return passed('HF_HUB_OFFLINE is set: the hub is not asked, its cache is used')
    problem = reach(ENDPOINT)
    if problem is None:
        return passed(f'hub {ENDPOINT} answers')
    return warned(
        f'hub {ENDPOINT} does not answer ({problem})',
        'what is cached works. Check network and proxy, or set HF_HUB_OFFLINE=1',
    )


def reach(address: str) -> str | None:
    """Asks once; None where somebody answers, else why not."""
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(address, method='HEAD')
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f'HTTP {error.code}'
    except (OSError, ValueError) as error:
        return str(getattr(error, 'reason', None) or error) or type(error).__name__
