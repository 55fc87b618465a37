"""A study file (Python, YAML, JSON) or flags → a checked `Study`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cite.baselines import TITLES
from cite.errors import ConfigError
from cite.experiments.choosing.candidates import BUDGET
from cite.studies.description import Choosing, Method, Study
from cite.studies.grid import grid_methods
from cite.studies.values import listed, mapping, seeds, shots, whole

KEYS = (
    *('name', 'base', 'options', 'texts', 'methods', 'grid', 'baselines', 'shots', 'split_seeds'),
    *('seeds', 'choosing', 'aggregation', 'top_k', 'stain_groups', 'tracking'),
)
METHOD_KEYS = ('config', 'options', 'choose')


def read_study(path: str | Path, changes: Mapping[str, Any] | None = None) -> Study:
    """The study that a file describes.

    Args:
        path: A file, or a name under the configs that come with cite, such as 'studies/lc25000_lung'.
        changes: Keys of the file → other values; `options` are merged.

    Raises:
        ConfigError: No such file, or not a study: what is wrong is named.
    """
    from cite.mm.plain_file import read_plain
    from cite.paths import find_config

    file = find_config(path)
    found = read_plain(file)
    given = {**found, **(changes or {})}
    for key in (
        'options',
        'choosing',
    ):  # a flag changes what it names, and leaves the rest of these
        if isinstance(found.get(key), Mapping) and isinstance(given.get(key), Mapping):
            given[key] = {**found[key], **given[key]}
    return study_of(given, file.stem)


def study_of(given: Mapping[str, Any], name: str = 'study') -> Study:
    """A study from plain values, as files and flags give them.

    Keys: `name`; `base` (a config); `options` (of all methods); `texts` (of the classes, for heads of a
    grid); `methods` (name → config name, or dict of `config`, `options`, `choose`); `grid` (see
    `grid_methods`); `baselines`; `shots`; `split_seeds` and `seeds` (a list, or how many); `choosing`
    (dict of `budget`, `folds`); `aggregation`, `top_k`; `stain_groups`; `tracking`.

    Raises:
        ConfigError: An unknown key, or values that do not fit.
    """
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise ConfigError(f'study {name}: unknown {", ".join(unknown)}; it takes {", ".join(KEYS)}')
    base = given.get('base')
    common = mapping(given.get('options'), 'options')
    methods = [
        _method(title, spec, base, common)
        for title, spec in mapping(given.get('methods'), 'methods').items()
    ]
    grid = mapping(given.get('grid'), 'grid')
    if grid:
        if not base:
            raise ConfigError(f'study {name}: a grid needs `base`, the config that it varies')
        methods += [
            replace(method, options={**_for_head(common, method), **method.options})
            for method in grid_methods(base, grid, *_texts_of(base, given.get('texts')))
        ]
    if base and not methods:
        methods = [Method(Path(str(base)).stem, str(base), common)]
    methods += [
        Method(TITLES.get(kind, kind).partition(' + ')[0], baseline=kind)
        for kind in _baselines(given.get('baselines', ['colour']))
    ]
    choosing = mapping(given.get('choosing'), 'choosing')
    unknown = sorted(set(choosing) - {'budget', 'folds'})
    if unknown:
        raise ConfigError(f'study {name}: choosing takes budget and folds, found {unknown}')
    folds = choosing.get('folds')
    wanted = given.get('shots', 'all')
    study = Study(
        name=str(given.get('name') or name),
        methods=tuple(methods),
        shots=tuple(
            dict.fromkeys(
                map(shots, wanted if isinstance(wanted, list | tuple | range) else [wanted])
            )
        ),
        split_seeds=seeds(given.get('split_seeds', 5), 'split_seeds'),
        seeds=seeds(given.get('seeds', 1), 'seeds'),
        choosing=Choosing(
            whole(choosing.get('budget', BUDGET), 'choosing.budget', 1),
            None if folds is None else whole(folds, 'choosing.folds', 2),
        ),
        aggregation=str(given.get('aggregation', 'mean')),
        top_k=whole(given.get('top_k', 10), 'top_k', 1),
        stain_groups=whole(given.get('stain_groups', 3), 'stain_groups'),
        tracking=given.get('tracking'),
    )
    study.check()
    return study


def _method(title: str, spec: Any, base: str | None, common: Mapping[str, Any]) -> Method:
    given = {'config': spec} if isinstance(spec, str) else mapping(spec, f'method {title!r}')
    unknown = sorted(set(given) - set(METHOD_KEYS))
    if unknown:
        raise ConfigError(
            f'method {title!r}: unknown {", ".join(unknown)}; it takes {", ".join(METHOD_KEYS)}'
        )
    config = given.get('config', base)
    if not config:
        raise ConfigError(f'method {title!r}: give it a config, or the study a `base`')
    own = mapping(given.get('options'), f'method {title!r}, options')
    choose = mapping(given.get('choose'), f'method {title!r}, choose')
    choose = {
        key: listed(value, f'method {title!r}, choose {key}') for key, value in choose.items()
    }
    return Method(title, str(config), {**common, **own}, choose)


def _for_head(common: Mapping[str, Any], method: Method) -> dict[str, Any]:
    """Options of the study that a method of a grid can take: without those of a text encoder it has not."""
    head = method.options.get('model.head')
    without = head is not None and 'text_encoder' not in head
    return {
        key: value
        for key, value in common.items()
        if not (without and key.startswith('model.head.text_encoder'))
    }


def _texts_of(base: str, texts: Any) -> tuple[Any, dict[str, Any] | None]:
    """What heads that take texts get: those of the base config, or the classes' names; its text encoder."""
    from cite.mm.launch import load_config

    cfg = load_config(base)
    found = texts or cfg.model.head.get('texts') or cfg.get('classes')
    encoder = cfg.model.head.get('text_encoder')
    return found, None if encoder is None else dict(encoder)


def _baselines(value: Any) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else [str(each) for each in listed(value, 'baselines')]
