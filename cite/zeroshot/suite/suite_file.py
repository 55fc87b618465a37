"""The file that lists data sets, or the name of a suite that comes with the library.

    prompts: published            # of the entries that say nothing; optional
    sets:
      - layout: lc25000_lung      # a row of the library: it knows all the rest
      - name: biopsies
        modality: pathology
        layout: folder            # or manifest
        path: biopsies/test       # under the root of the data, or absolute
        classes: {aca: Lung adenocarcinoma, n: [Benign lung, normal alveoli]}
        prompts: quilt
        metric: balanced_accuracy

A plain list of entries works too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from cite.errors import ConfigError
from cite.zeroshot.class_files import read_classes
from cite.zeroshot.suite.entry import METRICS, PUBLISHED, Class, Entry
from cite.zeroshot.suite.folders import Folders
from cite.zeroshot.suite.layout import Layout
from cite.zeroshot.suite.rows import rows
from cite.zeroshot.suite.sheets import Sheet

UNIMED = 'unimed21'
LARGEST = 1 << 20
_KEYS = ('name', 'modality', 'layout', 'path', 'classes', 'prompts', 'metric', 'split', 'title')
_PLAIN = ('folder', 'manifest')


class Suite(NamedTuple):
    """Data sets that are reported together.

    Attributes:
        name: Of the suite.
        entries: One or more.
    """

    name: str
    entries: tuple[Entry, ...]


def load_suite(what: str | Path) -> Suite:
    """The suite of a name ('unimed21') or a YAML file.

    Raises:
        ConfigError: No such suite or file, or one that is not as described above.
    """
    if str(what) == UNIMED:
        return Suite(UNIMED, tuple(rows().values()))
    path = Path(what).expanduser()
    tree = _read(path)
    default = None
    if isinstance(tree, Mapping):
        strange = sorted(map(str, set(tree) - {'sets', 'prompts', 'title'}))
        if strange or 'sets' not in tree:
            raise ConfigError(
                f'suite {path}: expected sets (and prompts, title), found {", ".join(map(str, tree))}'
            )
        default, listed = _prompts(tree.get('prompts'), path.name), tree['sets']
    else:
        listed = tree
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f'suite {path}: expected a list of data sets, found {str(listed)[:80]!r}')
    entries = [
        _entry(said, path, f'{path.name}, entry {number}')
        for number, said in enumerate(listed, start=1)
    ]
    names = [one.name for one in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f'suite {path}: names given more than once: {", ".join(twice)}')
    if default is not None:
        own = [isinstance(said, Mapping) and 'prompts' in said for said in listed]
        entries = [
            one if said else replace(one, prompts=default)
            for one, said in zip(entries, own, strict=True)
        ]
    return Suite(path.stem, tuple(entries))


def _read(path: Path) -> Any:
    import yaml

    if not path.is_file():
        raise ConfigError(
            f'suite {path}: no such file, and no suite of that name comes with cite (known: {UNIMED})'
        )
    if path.stat().st_size > LARGEST:
        raise ConfigError(f'suite {path}: expected at most {LARGEST} bytes')
    try:
        return yaml.safe_load(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        told = ' '.join(str(error).split())[:200]
        raise ConfigError(f'suite {path} is no YAML of plain values ({told})') from error


def _entry(said: Any, path: Path, where: str) -> Entry:
    if isinstance(said, str):
        said = {'layout': said}
    if not isinstance(said, Mapping):
        raise ConfigError(f'{where}: expected name, modality, layout, …; found {str(said)[:80]!r}')
    strange = sorted(map(str, set(said) - set(_KEYS)))
    if strange:
        raise ConfigError(
            f'{where}: unknown keys {", ".join(strange)}; expected {", ".join(_KEYS)}'
        )
    layout = str(said.get('layout', ''))
    entry = _plain(said, path, where) if layout in _PLAIN else _of_row(layout, said, where)
    metric = str(said.get('metric', entry.metric))
    if metric not in METRICS:
        raise ConfigError(f'{where}: metric {metric!r}, expected one of {", ".join(METRICS)}')
    if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]*', entry.name):
        raise ConfigError(f'{where}: name {entry.name!r} may have letters, digits and . _ - only')
    prompts = _prompts(said.get('prompts'), where)
    about = {**entry.about, **({'title': str(said['title'])} if 'title' in said else {})}
    return replace(
        entry,
        metric=metric,
        about=about,
        modality=str(said.get('modality', entry.modality)),
        prompts=entry.prompts if prompts is None else prompts,
    )


def _of_row(layout: str, said: Mapping[str, Any], where: str) -> Entry:
    known = rows()
    if layout not in known:
        close = difflib.get_close_matches(layout, [*known, *_PLAIN], n=1)
        hint = f'did you mean {close[0]!r}? ' if close else ''
        raise ConfigError(
            f'{where}: layout {layout!r}; {hint}Expected folder, manifest or a row: {", ".join(known)}'
        )
    row = known[layout]
    extra = [key for key in ('classes', 'split') if key in said]
    if extra:
        raise ConfigError(f'{where}: the row {layout} has its own {" and ".join(extra)}')
    layouts = row.layouts
    if 'path' in said:  # the folder that takes the place of the published one
        place = str(Path(str(said['path'])).expanduser())
        layouts = tuple(dict.fromkeys(replace(one, folder=place) for one in layouts))
    return replace(row, name=str(said.get('name', row.name)), layouts=layouts)


def _plain(said: Mapping[str, Any], path: Path, where: str) -> Entry:
    missing = [key for key in ('name', 'modality', 'path') if not said.get(key)]
    if missing:
        raise ConfigError(f'{where}: a {said["layout"]} needs {", ".join(missing)}')
    classes = _classes(said.get('classes'), path, where)
    place = Path(str(said['path'])).expanduser()
    layout: Layout
    if said['layout'] == 'folder':
        if 'split' in said:
            raise ConfigError(
                f'{where}: a folder has no split; give the folder of the split as path'
            )
        layout = Folders(str(place), tuple(one.label for one in classes))
    else:
        split = {'split': str(said['split'])} if 'split' in said else {}
        layout = Sheet(str(place.parent), place.name, where=split)
    return Entry(str(said['name']), str(said['modality']), (layout,), classes)


def _classes(said: Any, path: Path, where: str) -> tuple[Class, ...]:
    """`{label: text or texts}`, a list of labels, or a file of classes beside the suite."""
    if said is None:
        return ()
    if isinstance(said, str):
        found = read_classes(path.parent / Path(said).expanduser())
        texts = dict(zip(found.names, found.texts, strict=True))
    elif isinstance(said, list):
        texts = {str(name): (' '.join(str(name).replace('_', ' ').split()),) for name in said}
    elif isinstance(said, Mapping):
        texts = {
            str(label): tuple(map(str, own if isinstance(own, list) else [own]))
            for label, own in said.items()
        }
    else:
        raise ConfigError(
            f'{where}: classes are labels, {{label: text}} or a file; found {str(said)[:80]!r}'
        )
    if len(texts) < 2:
        raise ConfigError(f'{where}: at least two classes are compared, found {len(texts)}')
    return tuple(Class(label, label, own) for label, own in texts.items())


def _prompts(said: Any, where: str) -> str | tuple[str, ...] | None:
    if said is None or isinstance(said, str):
        return said
    if isinstance(said, list) and said and all(isinstance(one, str) for one in said):
        return tuple(said)
    raise ConfigError(
        f'{where}: prompts are {PUBLISHED}, model, a set, a file or sentences with {{}}; found '
        f'{str(said)[:80]!r}'
    )
