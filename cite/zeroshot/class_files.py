"""Classes and their texts in a file.

`.txt`: a class per line, `name` or `name: text` (a tab may stand for the colon); a name given again adds a
text to its class; lines that begin with `#` are left out.

`.json`: `{class: text}` or `{class: [texts]}`, a list of names, or a file of CONCH's folder `prompts`, of
which the names of the classes are taken.

`.yaml` and `.csv`: as `cite.anchors.descriptions` reads them, with the source of each text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cite.anchors.descriptions import LARGEST, read_descriptions
from cite.errors import ConfigError
from cite.zeroshot.classes import ClassTexts

SUFFIXES = ('.txt', '.yaml', '.yml', '.csv', '.json')


def read_classes(path: str | Path) -> ClassTexts:
    """The classes in a .txt, .json, .yaml or .csv file.

    Raises:
        ConfigError: No such file, one that is no text, too large or of another shape, or as `ClassTexts`.
    """
    path = Path(path).expanduser()
    kind = path.suffix.lower()
    if not path.is_file():
        raise ConfigError(f'classes {path}: no such file')
    if kind not in SUFFIXES:
        raise ConfigError(
            f'classes {path}: expected one of {", ".join(SUFFIXES)}, found {kind or "no suffix"}'
        )
    if kind in ('.yaml', '.yml', '.csv'):
        found = read_descriptions(path)
        return ClassTexts(found.names, found.texts, dict(found.source))
    if path.stat().st_size > LARGEST:
        raise ConfigError(
            f'classes {path}: {path.stat().st_size} bytes, expected at most {LARGEST}'
        )
    try:
        content = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'classes {path} cannot be read as UTF-8 text: {error}') from error
    if kind == '.json':
        return _of_json(content, path)
    return classes_of_lines(content.split('\n'), path.name)


def classes_of_lines(lines: Iterable[str], where: str) -> ClassTexts:
    """Classes from lines `name` or `name: text`.

    Args:
        lines: Empty ones and those that begin with `#` are left out.
        where: What they come from, for messages and records.

    Raises:
        ConfigError: As `ClassTexts`, or a line with half of what it needs.
    """
    texts: dict[str, list[str]] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith('#'):
            continue
        divided = re.fullmatch(r'(.+?)\s*(?:\t|:(?:\s|$))\s*(.*)', line)
        name, text = divided.groups() if divided else (line, None)
        if text == '':
            raise ConfigError(
                f'{where}, line {number}: expected `name` or `name: text`, found {line[:80]!r}'
            )
        if name in texts and text is None:
            raise ConfigError(f'{where}, line {number}: class {name!r} is named more than once')
        texts.setdefault(name, []).append(' '.join((text or name).split()))
    return ClassTexts(tuple(texts), tuple(map(tuple, texts.values())), {'file': where})


def _of_json(content: str, path: Path) -> ClassTexts:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f'classes {path}: named more than once: {", ".join(twice)}')
        return dict(pairs)

    try:
        tree = json.loads(content, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f'classes {path} is no JSON ({error})') from error
    source: dict[str, Any] = {'file': path.name}
    if isinstance(tree, dict) and len(tree) == 1:  # {"0": {"classnames": …, "templates": …}}
        (inner,) = tree.values()
        tree = inner if isinstance(inner, dict) and 'classnames' in inner else tree
    if isinstance(tree, dict) and isinstance(tree.get('classnames'), dict):
        tree = tree['classnames']
        source['note'] = 'class names of a prompt file; its templates are no part of them'
    if isinstance(tree, list):
        tree = _of_list(tree, path)
    if not isinstance(tree, dict):
        raise ConfigError(
            f'classes {path}: expected {{class: [texts]}} or a list of names, found {type(tree).__name__}'
        )
    texts = []
    for name, value in tree.items():
        own = [value] if isinstance(value, str) else value
        if not isinstance(own, list) or not all(isinstance(text, str) for text in own):
            raise ConfigError(
                f'classes {path}: class {name!r} needs a text or a list of texts, found '
                f'{str(value)[:80]!r}'
            )
        texts.append(tuple(' '.join(text.split()) for text in own))
    return ClassTexts(tuple(tree), tuple(texts), source)


def _of_list(names: list[Any], path: Path) -> dict[str, str]:
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f'classes {path}: expected a list of names, found {str(names)[:80]}')
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f'classes {path}: named more than once: {", ".join(twice)}')
    return {name: name for name in names}
