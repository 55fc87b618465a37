"""Shards for tests, made by hand and so of any defect."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
from PIL import Image


def picture(number: int) -> bytes:
    """A PNG of one colour that tells its number."""
    content = io.BytesIO()
    Image.new('RGB', (4, 4), (number % 256, number // 256, 7)).save(content, 'PNG')
    return content.getvalue()


def number_of(image) -> int:
    """Number of a transformed picture (3, 4, 4)."""
    return int(image[0, 0, 0]) + 256 * int(image[1, 0, 0])


def tensor(image):
    """Transform of tests: the pixels as they are."""
    import torch

    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def write_tar(path, members) -> None:
    """Members by name, in this order; content is bytes, text, or a dict for JSON."""
    with tarfile.open(path, 'w') as tar:
        for name, content in members.items():
            if isinstance(content, dict):
                content = json.dumps(content)
            if isinstance(content, str):
                content = content.encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def shard_set(folder, sizes) -> None:
    """Shards of so many pairs each; pairs are numbered through, pair n has caption 'text n%3'."""
    number = 0
    for shard, size in enumerate(sizes):
        members = {}
        for _ in range(size):
            members[f'{number:04d}.png'] = picture(number)
            members[f'{number:04d}.txt'] = f'Text {number % 3}.'
            number += 1
        write_tar(folder / f'pairs-{shard:06d}.tar', members)
