"""Descriptions of classes in a file: several texts per class, each with where it was taken from.

YAML:

    source: where the texts come from
    classes:
      well differentiated tubular adenocarcinoma:
        texts: [well-formed glands …, tubules with open lumina …]
        source: of this class, optional

CSV: columns `class`, `text` and, optionally, `source`; a row per text.

`texts='patchgastric'` names a file that comes with the library, anything else is a path.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cite.errors import ConfigError

LARGEST = 1 << 20
"""Bytes of a file of texts; a megabyte holds some ten thousand."""
COLUMNS = ('class', 'text', 'source')


@dataclass(frozen=True)
class Descriptions:
    """What a file says of classes.

    Attributes:
        names: Of the classes, in the order of the file.
        texts: Of each class, one or more.
        source: Where they come from, of the file and of each class that says so: plain values.
    """

    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    source: Mapping[str, Any]


def shipped() -> dict[str, Path]:
    """Name → file, of the descriptions that come with the library."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob('*.yaml'))}


def read_descriptions(name: str | Path) -> Descriptions:
    """The descriptions in a file.

    Args:
        name: 'patchgastric', or the path of a .yaml, .yml or .csv file.

    Raises:
        ConfigError: No such file, one that is too large or of another shape, or a class without a text.
    """
    known = shipped()
    path = known.get(str(name)) or Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(
            f'texts={str(name)!r}: no such file, and no descriptions of that name come with cite (known: '
            f'{", ".join(known)}). Texts are a list with one string per class, or one list per class, or '
            'such a file'
        )
    kind = path.suffix.lower()
    if kind not in ('.yaml', '.yml', '.csv'):
        raise ConfigError(
            f'texts {path}: expected a .yaml or .csv file, found {kind or "no suffix"}'
        )
    size = path.stat().st_size
    if size > LARGEST:
        raise ConfigError(f'texts {path}: {size} bytes, expected at most {LARGEST}')
    try:
        content = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'texts {path} cannot be read as UTF-8 text: {error}') from error
    found = _of_csv(content, path) if kind == '.csv' else _of_yaml(content, path)
    return Descriptions(found.names, found.texts, {'file': path.name, **found.source})


def places(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Where each of the classes stands among the names of a file.

    Raises:
        ConfigError: A class that the file does not describe, or one that is none of the data set's.
    """
    missing = [name for name in classes if name not in names]
    unknown = [name for name in names if name not in classes]
    if missing:
        close = difflib.get_close_matches(missing[0], unknown, n=1)
        hint = f' It has {close[0]!r}: is that meant?' if close else ''
        raise ConfigError(
            f'the file of texts does not describe {", ".join(map(repr, missing))}, of the classes of '
            f'the data set.{hint} It describes: {", ".join(map(repr, names))}'
        )
    if unknown:
        raise ConfigError(
            f'the file of texts describes {", ".join(map(repr, unknown))}, which the data set does not '
            f'have; it has {", ".join(map(repr, classes))}. Take them out of the file'
        )
    return [names.index(name) for name in classes]


def _of_yaml(content: str, path: Path) -> Descriptions:
    import yaml

    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        told = ' '.join(str(error).split())[:200]
        raise ConfigError(f'texts {path} is no YAML of plain values ({told})') from error
    # types only in messages: a few lines of YAML can name each other into gigabytes
    _take(tree, ('source', 'classes'), str(path))
    classes = tree.get('classes')
    if not isinstance(classes, Mapping) or not classes:
        raise ConfigError(
            f'texts {path}: `classes` must map each class to its texts, found {_kind(classes)}'
        )
    source: dict[str, Any] = {}
    if tree.get('source') is not None:
        source['source'] = _text(tree['source'], f'{path}: source')
    texts = []
    for name, row in classes.items():
        where = f'{path}: class {_text(name, f"{path}: the name of a class")!r}'
        _take(row, ('texts', 'source'), where)
        listed = row.get('texts')
        if not isinstance(listed, list) or not listed:
            raise ConfigError(
                f'texts {where}: `texts` must be a list of texts, found {_kind(listed)}'
            )
        texts.append(tuple(_text(text, f'{where}: text {i}') for i, text in enumerate(listed)))
        if row.get('source') is not None:
            own = source.setdefault('classes', {})
            own[str(name)] = _text(row['source'], f'{where}: source')
    return Descriptions(tuple(classes), tuple(texts), source)


def _of_csv(content: str, path: Path) -> Descriptions:
    reader = csv.DictReader(io.StringIO(content), strict=True)
    columns = reader.fieldnames or ()
    if not {'class', 'text'} <= set(columns) <= set(COLUMNS) or len(columns) > len(set(columns)):
        raise ConfigError(
            f'texts {path}: expected the columns class, text and, if wanted, source; found '
            f'{", ".join(columns) or "none"}'
        )
    texts: dict[str, list[str]] = {}
    sources: dict[str, list[str]] = {}
    try:
        for row in reader:
            where = f'{path}: line {reader.line_num}'
            if None in row or None in row.values():
                raise ConfigError(f'texts {where} has not {len(columns)} columns; quote commas')
            name = _text(row['class'], f'{where}: class')
            texts.setdefault(name, []).append(_text(row['text'], f'{where}: text'))
            if (row.get('source') or '').strip():
                sources.setdefault(name, []).append(row['source'].strip())
    except csv.Error as error:
        raise ConfigError(f'texts {path} is no CSV ({error})') from error
    if not texts:
        raise ConfigError(f'texts {path} has no rows')
    own = {name: '; '.join(dict.fromkeys(found)) for name, found in sources.items()}
    source = {'classes': own} if own else {}
    return Descriptions(tuple(texts), tuple(tuple(found) for found in texts.values()), source)


def _take(value: Any, keys: Sequence[str], where: str) -> None:
    """Refuses what is no mapping with these keys."""
    if not isinstance(value, Mapping) or not set(value) <= set(keys):
        found = _kind(value)
        if isinstance(value, Mapping):
            found = 'the keys ' + ', '.join(str(key)[:40] for key in list(value)[:10])
        raise ConfigError(f'texts {where}: expected the keys {", ".join(keys)}, found {found}')


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        found = 'an empty text' if isinstance(value, str) else _kind(value)
        raise ConfigError(f'texts {where}: expected a text, found {found}')
    return ' '.join(value.split())


def _kind(value: Any) -> str:
    if isinstance(value, list | Mapping) and not value:
        return f'an empty {type(value).__name__}'
    return 'nothing' if value is None else type(value).__name__
