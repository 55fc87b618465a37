"""What people put into the page, checked: pictures, texts, numbers. No browser is trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from cite.demo.messages import naming
from cite.errors import ConfigError, DataError
from cite.images import load_rgb

if TYPE_CHECKING:
    from cite.zeroshot import ClassTexts

FORMATS = ('JPEG', 'PNG', 'TIFF', 'BMP', 'WEBP')
"""Of pictures; other decoders of Pillow are never reached."""
MOST_TEXT = 5000
"""Characters of a field."""
LONGEST_TEXT = 1000
"""Characters of a text; models take less still, and say so."""
MOST_CLASSES = 50


def read_picture(path: str | Path | None) -> Image.Image:
    """An uploaded picture as RGB.

    Raises:
        DataError: None, another format than `FORMATS`, or as `load_rgb`.
    """
    if not path:
        raise DataError('there is no image yet: drop one into the field, or click it to choose one')
    path = Path(path)
    try:
        with Image.open(path, formats=FORMATS):
            pass
    except UnidentifiedImageError as error:
        raise DataError(f'{path.name}: {_instead(path)}') from error
    except Exception:  # too large or damaged: what follows says it better
        pass
    with naming(path):
        return load_rgb(path)


def uploaded_slide(path: str | Path) -> Path:
    """An uploaded slide, which is a single file.

    Raises:
        DataError: A kind of file that names others, in which its pixels are.
    """
    from cite.slides.readers import COMPANIONS

    path = Path(path)
    if path.suffix.lower() in COMPANIONS:
        raise DataError(
            f'{path.name}: a {path.suffix.lower()} file holds no pixels, it names other files that do. '
            'Start the demo with --slides and the folder where all of them lie, or use cite slide'
        )
    return path


def _instead(path: Path) -> str:
    known = f'expected {", ".join(FORMATS)}'
    start = path.read_bytes()[:6] if path.stat().st_size < 2**20 else b''
    if start[:4] == b'GIF8' or path.suffix.lower() == '.gif':
        return f'a GIF has at most 256 colours, which no stain is told by; {known}'
    return f'this is no image, or a damaged one; {known}'


def class_lines(text: str | None) -> ClassTexts:
    """Classes, one per line: `name`, or `name: text`.

    Raises:
        ConfigError: None, one, too many, one twice, or a text that is too long.
    """
    from cite.zeroshot import classes_of_lines

    text = _short(text, MOST_TEXT, 'the classes')
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        found = 'none' if not lines else 'one'
        raise ConfigError(f'write two classes or more, one per line; found {found}')
    if len(lines) > MOST_CLASSES:
        raise ConfigError(f'at most {MOST_CLASSES} classes, found {len(lines)}')
    for number, line in enumerate(lines, start=1):
        _short(line, LONGEST_TEXT, f'line {number}')
    classes = classes_of_lines(lines, 'the classes')
    if len(classes) < len(lines):
        raise ConfigError('a class is named twice; here each has one line and one text')
    return classes


def one_text(text: str | None) -> str:
    """A text to search for.

    Raises:
        ConfigError: An empty one, or one that is too long.
    """
    text = ' '.join(_short(text, LONGEST_TEXT, 'the text').split())
    if not text:
        raise ConfigError(
            'the text is empty: write what to look for, such as "tumour with necrosis"'
        )
    return text


def resolution(value: float | str | None, what: str) -> float | None:
    """Micrometres per pixel, or None where a field is empty.

    Raises:
        ConfigError: No number, or one that no microscope has.
    """
    said = str(value if value is not None else '').strip().replace(',', '.')
    if not said:
        return None
    try:
        number = float(said)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.05 <= number <= 20:
        raise ConfigError(f'{what}: expected 0.05 to 20 µm per pixel, found {said[:20]!r}')
    return number


def chosen(name: object, names: Iterable[str], what: str) -> str:
    """A name that is on offer.

    Raises:
        ConfigError: Another one: lists on the page can be got round.
    """
    offered = list(names)
    if not isinstance(name, str) or name not in offered:
        raise ConfigError(f'{what}: choose one of {", ".join(offered[:10]) or "none there"}')
    return name


def _short(text: str | None, most: int, what: str) -> str:
    if text is not None and not isinstance(text, str):
        raise ConfigError(f'{what}: expected text')
    found = (text or '').strip()
    if len(found) > most:
        raise ConfigError(f'{what}: {len(found)} characters, at most {most} are taken; shorten it')
    return found
