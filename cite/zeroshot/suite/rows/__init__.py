"""The rows that come with the library: data sets by name, with their published layouts.

A row is plain data in the YAML files beside this one; the first comment of each says where it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cite.zeroshot.suite.entry import PUBLISHED, Class, Entry
from cite.zeroshot.suite.folders import FileNames, Folders
from cite.zeroshot.suite.layout import Layout
from cite.zeroshot.suite.sheets import OneHot, Sheet

ORDER = ('radiology', 'fundus', 'pathology')
"""Files, as the tables go."""
_KINDS: dict[str, type[Layout]] = {
    'folders': Folders,
    'sheet': Sheet,
    'one_hot': OneHot,
    'names': FileNames,
}
_ABOUT = ('title', 'split', 'homepage', 'licence', 'citation', 'note')


@cache
def rows() -> Mapping[str, Entry]:
    """Name → row, of all data sets of UniMed-CLIP's zero-shot evaluation whose layout is known."""
    import yaml

    found: dict[str, Entry] = {}
    for file in ORDER:
        text = (Path(__file__).parent / f'{file}.yaml').read_text(encoding='utf-8')
        found.update({name: _row(name, said) for name, said in yaml.safe_load(text).items()})
    return found


def _row(name: str, said: Mapping[str, Any]) -> Entry:
    classes = tuple(
        Class(
            one['label'],
            one['name'],
            tuple(one.get('texts', [one['name']])),
            tuple(one.get('sentences', ())),
        )
        for one in said['classes']
    )
    return Entry(
        name=name,
        modality=said['modality'],
        layouts=tuple(_layout(one, classes) for one in said['layouts']),
        classes=classes,
        templates=tuple(said.get('templates', ())),
        constants=said.get('constants', ''),
        prompts=PUBLISHED,
        about={key: said[key] for key in _ABOUT if key in said},
        is_row=True,
    )


def _layout(said: Mapping[str, Any], classes: tuple[Class, ...]) -> Layout:
    options = {key: value for key, value in said.items() if key != 'kind'}
    if said['kind'] == 'folders':
        options['labels'] = tuple(one.label for one in classes)
        options['ignore'] = tuple(options.get('ignore', ()))
    return _KINDS[said['kind']](**options)
