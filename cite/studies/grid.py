"""Backbone × tuning × text encoder × head → methods, each a config with options."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cite.errors import ConfigError
from cite.paths import configs_dir
from cite.studies.description import Method

FACTORS = ('backbone', 'tuning', 'text_encoder', 'head')
Level = tuple[str, dict[str, Any]]
"""What a level is called, and the options that it stands for."""


def grid_methods(
    base: str,
    grid: Mapping[str, Sequence[Any]],
    texts: Sequence[Any] | str | None = None,
    text_encoder: Mapping[str, Any] | None = None,
) -> list[Method]:
    """The methods of a grid, named by the factors that vary.

    A head without a text encoder comes once, not once for every text encoder.

    Args:
        base: Config that all of them start from.
        grid: Factor → levels. Backbones and text encoders are names of models; tunings are names of
            classes, dicts with options, or None; heads are names of `configs/_base_/models/`, names of
            classes, or dicts (`dict(fragment='cite', name='text anchors')` names one of the former). A
            level `dict(name=…, options={…})` gives dotted options of its own.
        texts: Class texts for heads that take some and have none.
        text_encoder: For heads that have one, unless text encoders are a factor.

    Raises:
        ConfigError: A factor that there is not, or one without levels.
    """
    unknown = sorted(set(grid) - set(FACTORS))
    if unknown:
        raise ConfigError(f'grid takes {", ".join(FACTORS)}; found {", ".join(unknown)}')
    levels = {name: _levels(name, grid[name]) for name in FACTORS if name in grid}
    methods: dict[str, Method] = {}
    for chosen in itertools.product(*levels.values()):
        taken = dict(zip(levels, chosen, strict=True))
        if 'head' in taken and not _reads_text(taken['head'][1]):
            taken.pop('text_encoder', None)
        options: dict[str, Any] = {}
        # the head first: a text encoder goes into it
        for name in sorted(taken, key=lambda name: name != 'head'):
            options |= taken[name][1]
        _put_texts_in(options, texts, text_encoder)
        factors = {name: taken[name][0] for name in FACTORS if name in taken}
        varying = [level for name, level in factors.items() if len(levels[name]) > 1]
        title = ' + '.join(varying) or Path(base).stem
        method = Method(title, base, options, factors=factors)
        if methods.setdefault(title, method).options != options:
            raise ConfigError(
                f'grid: two levels are both called {title!r}; give them names: dict(name=…, options={{…}})'
            )
    return list(methods.values())


def _levels(factor: str, values: Any) -> list[Level]:
    if isinstance(values, str | Mapping) or values is None:
        values = [values]
    levels = [_level(factor, value) for value in values]
    if not levels:
        raise ConfigError(f'grid.{factor}: no levels; leave the factor out, or name some')
    return levels


def _level(factor: str, value: Any) -> Level:
    if isinstance(value, Mapping) and 'options' in value:
        return str(value.get('name', 'other')), dict(value['options'])
    if factor == 'backbone':
        return _model_name(value), {'model.backbone.model': str(value)}
    if factor == 'text_encoder':
        return _model_name(value), {'model.head.text_encoder.model': str(value)}
    if factor == 'tuning':
        if value in (None, 'none', 'NoTuning'):
            return 'no tuning', {'model.backbone.tuning': None}
        if not isinstance(value, str | Mapping):
            raise ConfigError(f'grid.tuning: expected names, dicts or None, found {value!r}')
        named = {'type': value} if isinstance(value, str) else dict(value)
        return _title(named), {'model.backbone.tuning': _without_name(named)}
    return _head(value)


def _model_name(value: Any) -> str:
    """The last part of a path or hub id; names of models have dots of their own."""
    name = str(value).rstrip('/').rpartition('/')[2]
    return Path(name).stem if Path(str(value)).is_file() else name


def _head(value: Any) -> Level:
    if not isinstance(value, str | Mapping):
        raise ConfigError(f'grid.head: expected names or dicts, found {value!r}')
    given = {'fragment': value} if isinstance(value, str) else dict(value)
    if 'fragment' in given:
        path = configs_dir() / '_base_' / 'models' / f'{given["fragment"]}.py'
        if path.is_file():
            from cite.mm.plain_file import read_plain

            model = read_plain(path)['model']
            title = str(given.get('name', given['fragment']))
            return title, {'model.neck': model.get('neck'), 'model.head': model['head']}
        given['type'] = given.pop('fragment')
    return _title(given), {'model.neck': None, 'model.head': _without_name(given)}


def _title(value: Mapping[str, Any]) -> str:
    if 'name' in value:
        return str(value['name'])
    if not isinstance(value.get('type'), str):
        raise ConfigError(f'grid: a level needs a `type` (or `options`), found {dict(value)!r}')
    rest = ', '.join(f'{key}={part}' for key, part in value.items() if key != 'type')
    return f'{value["type"]}({rest})' if rest else str(value['type'])


def _without_name(value: dict[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key != 'name'}


def _reads_text(options: Mapping[str, Any]) -> bool:
    head = options.get('model.head')
    return head is None or 'text_encoder' in head


def _put_texts_in(
    options: dict[str, Any], texts: Any, text_encoder: Mapping[str, Any] | None
) -> None:
    head = dict(options.get('model.head') or {})
    if texts is not None and head.get('texts') == []:
        head['texts'] = texts
    if text_encoder is not None and 'text_encoder' in head:
        head['text_encoder'] = dict(text_encoder)
    if head:
        options['model.head'] = head
