"""Image files to RGB, with every way in which a file can be bad told as one `DataError`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from cite.errors import DataError

MAX_PIXELS = 2**26
"""More than 67 million pixels is a slide, or a decompression bomb, not a patch."""

WHITE = (255, 255, 255)


def load_rgb(path: str | Path) -> Image.Image:
    """Decode an image file fully, as 8-bit RGB.

    Transparent pixels become white, as the empty parts of a slide are. 16-bit greyscale keeps its
    upper 8 bits. EXIF orientation is ignored on purpose: patches are cut from a grid, and a tag
    left by some tool must not turn them. Of a file with several pictures the first is taken.

    Raises:
        DataError: no such file, no image, truncated or damaged, too large, or pixel values without
            a known range (floating point).
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f'{path}: no such file')
    try:
        with path.open('rb') as file:
            return decode_rgb(file, path)
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from error


def decode_rgb(file: BinaryIO, path: Path) -> Image.Image:
    """What `load_rgb` makes of an open file; `path` is for messages.

    Raises:
        DataError: As `load_rgb`.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f'{path}: {image.width} x {image.height} pixels is too large for a patch '
                    f'(at most {MAX_PIXELS} pixels); cut it into patches'
                )
            image.load()
            return to_rgb(image, path)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f'{path}: too large for a patch ({error})') from error
    except Exception as error:
        # Pillow's decoders raise a dozen kinds of error on damaged files, none of them documented.
        raise DataError(
            f'{path}: cannot be read as an image, it is damaged or of another kind ({error})'
        ) from error


def to_rgb(image: Image.Image, path: Path) -> Image.Image:
    """A decoded picture as 8-bit RGB, see `load_rgb`; `path` is for messages."""
    if image.mode == 'RGB' and 'transparency' not in image.info:
        return image
    if image.mode.startswith('I'):  # 16 bit, which Pillow's own conversion clips at 255
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f'{path}: greyscale values beyond 16 bit; convert it to 8-bit RGB')
        return Image.fromarray((values >> 8).astype(np.uint8)).convert('RGB')
    if image.mode == 'F':
        raise DataError(f'{path}: floating-point pixels have no known range; convert to 8-bit RGB')
    if image.mode in ('RGBA', 'RGBa', 'LA', 'PA') or 'transparency' in image.info:
        page = Image.new('RGBA', image.size, (*WHITE, 255))
        return Image.alpha_composite(page, image.convert('RGBA')).convert('RGB')
    return image.convert('RGB')
