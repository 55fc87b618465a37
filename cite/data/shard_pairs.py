"""One pair out of a shard: image and caption, or why it cannot be used."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from cite.data.captions import normalise_caption
from cite.data.shard_files import Place, Sample
from cite.images.read import MAX_PIXELS, to_rgb


class BadSampleError(Exception):
    """A sample that cannot be used; it is skipped, and counted."""


class Pair(NamedTuple):
    """What a sample holds; `part` is that of the split it was written of, if it says so."""

    image: Image.Image
    caption: str
    part: str | None


def read_pair(sample: Sample) -> Pair:
    """Image and caption of a sample.

    Raises:
        BadSampleError: one of them is damaged, too large, or not there.
    """
    try:
        with sample.shard.open('rb') as file:
            content, text = (
                _read(file, sample.image),
                _read(file, sample.caption).decode('utf-8-sig'),
            )
        about = json.loads(text) if sample.is_json else {'caption': text}
        if not isinstance(about, dict) or not isinstance(about.get('caption'), str):
            raise BadSampleError('no caption in its JSON')
    except (OSError, ValueError, RecursionError) as error:
        raise BadSampleError(f'cannot be read: {error}') from error
    caption = about['caption'].strip()
    if not normalise_caption(caption):
        raise BadSampleError('a caption without words')
    return Pair(_decoded(content, sample.key), caption, about.get('part'))


def _read(file: BinaryIO, place: Place) -> bytes:
    file.seek(place.start)
    return file.read(place.size)


def _decoded(content: bytes, name: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadSampleError(f'{image.width} x {image.height} pixels')
            image.load()
            return to_rgb(image, Path(name))
    except BadSampleError:
        raise
    except UnidentifiedImageError as error:
        raise BadSampleError('damaged: not an image') from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds of error on damaged files
        raise BadSampleError(f'damaged: {error}') from error
