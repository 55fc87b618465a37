"""Many image files at once, by the GPU's JPEG decoder where there is one.

nvJPEG's upsampling and colour conversion are not libjpeg's: grey levels differ by one or two, at sharp
coloured edges by more. Who compares results to the digit decodes with `load_rgb` on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from cite.errors import DataError
from cite.images.read import decode_rgb
from cite.images.resize import to_uint8_tensor

_JPEG = b'\xff\xd8\xff'


def decode_batch(paths: Sequence[str | Path], device: str | torch.device = 'cpu') -> list[Tensor]:
    """RGB pictures, uint8 (3, H, W) each, on `device`.

    Args:
        paths: Image files of any kind and size.
        device: On a CUDA device JPEG files go through nvJPEG, all of them in one call. What it refuses
            (CMYK, arithmetic coding, damage), other kinds of files, and everything on other devices goes
            through Pillow.

    Raises:
        DataError: A file that is missing or damaged; the message names it.
    """
    device = torch.device(device)
    contents = [_content(Path(path)) for path in paths]
    found: dict[int, Tensor] = {}
    if device.type == 'cuda':
        found = _decode_jpegs(contents, device)
    return [
        found[number]
        if number in found
        else to_uint8_tensor(decode_rgb(BytesIO(content), Path(path))).to(device)
        for number, (path, content) in enumerate(zip(paths, contents, strict=True))
    ]


def _decode_jpegs(contents: Sequence[bytes], device: torch.device) -> dict[int, Tensor]:
    """The JPEGs among the files, by number, as far as nvJPEG takes them."""
    from torchvision.io import ImageReadMode, decode_jpeg

    numbers = [number for number, content in enumerate(contents) if content.startswith(_JPEG)]
    files = [torch.frombuffer(bytearray(contents[n]), dtype=torch.uint8) for n in numbers]
    if not files:
        return {}
    try:
        return dict(zip(numbers, decode_jpeg(files, ImageReadMode.RGB, device=device), strict=True))
    except RuntimeError:  # one bad file fails all: each by itself, and the bad one by Pillow
        found = {}
        for number, file in zip(numbers, files, strict=True):
            try:
                found[number] = decode_jpeg(file, ImageReadMode.RGB, device=device)
            except RuntimeError:
                continue
        return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from error
