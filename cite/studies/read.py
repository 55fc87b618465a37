"""A study file (Python, YAML, JSON) or flags → a checked `Study`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cite.baselines import TITLES
from cite.errors import ConfigError
from cite.studies.description import Choosing, Method, Study
from cite.studies.grid import grid_methods

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
    options = {**found.get('options', {}), **(changes or {}).get('options', {})}
    return study_of({**found, **(changes or {}), 'options': options}, file.stem)


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
    common = dict(given.get('options') or {})
    methods = [
        _method(title, spec, base, common) for title, spec in (given.get('methods') or {}).items()
    ]
    if given.get('grid'):
        if not base:
            raise ConfigError(f'study {name}: a grid needs `base`, the config that it varies')
        methods += [
            Method(m.name, m.config, {**common, **m.options}, m.choose, None, m.factors)
            for m in grid_methods(base, given['grid'], *_texts_of(base, given.get('texts')))
        ]
    if base and not methods:
        methods = [Method(Path(str(base)).stem, str(base), common)]
    methods += [
        Method(TITLES.get(kind, kind).partition(' + ')[0], baseline=kind)
        for kind in _baselines(given)
    ]
    choosing = given.get('choosing') or {}
    if not isinstance(choosing, Mapping) or set(choosing) - {'budget', 'folds'}:
        raise ConfigError(f'study {name}: choosing takes budget and folds, found {choosing!r}')
    study = Study(
        name=str(given.get('name', name)),
        methods=tuple(methods),
        shots=tuple(dict.fromkeys(_shots(value) for value in _listed(given.get('shots', 'all')))),
        split_seeds=_seeds(given.get('split_seeds', 5), 'split_seeds'),
        seeds=_seeds(given.get('seeds', 1), 'seeds'),
        choosing=Choosing(**choosing),
        aggregation=str(given.get('aggregation', 'mean')),
        top_k=int(given.get('top_k', 10)),
        stain_groups=int(given.get('stain_groups', 3)),
        tracking=given.get('tracking'),
    )
    study.check()
    return study


def _method(title: str, spec: Any, base: str | None, common: Mapping[str, Any]) -> Method:
    spec = {'config': spec} if isinstance(spec, str) else dict(spec or {})
    unknown = sorted(set(spec) - set(METHOD_KEYS))
    if unknown:
        raise ConfigError(
            f'method {title!r}: unknown {", ".join(unknown)}; it takes {", ".join(METHOD_KEYS)}'
        )
    config = spec.get('config', base)
    if not config:
        raise ConfigError(f'method {title!r}: give it a config, or the study a `base`')
    options = {**common, **dict(spec.get('options') or {})}
    return Method(str(title), str(config), options, dict(spec.get('choose') or {}))


def _texts_of(base: str, texts: Any) -> tuple[Any, dict[str, Any] | None]:
    """What heads that take texts get: those of the base config, or the classes' names; its text encoder."""
    from cite.mm.launch import load_config

    cfg = load_config(base)
    found = texts or cfg.model.head.get('texts') or cfg.get('classes')
    encoder = cfg.model.head.get('text_encoder')
    return found, None if encoder is None else dict(encoder)


def _baselines(given: Mapping[str, Any]) -> Sequence[str]:
    kinds = given.get('baselines', ['colour'])
    return [kinds] if isinstance(kinds, str) else list(kinds or ())


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | range) else [value]


def _shots(value: Any) -> str:
    text = str(value)
    if text != 'all' and (not text.isdecimal() or int(text) < 1):
        raise ConfigError(f"shots must be whole numbers from 1, or 'all'; found {value!r}")
    return text if text == 'all' else str(int(text))


def _seeds(value: Any, what: str) -> tuple[int, ...]:
    numbers = range(value) if isinstance(value, int) and not isinstance(value, bool) else value
    try:
        seeds = tuple(int(number) for number in numbers)
    except (TypeError, ValueError):
        seeds = ()
    if not seeds or min(seeds) < 0:
        raise ConfigError(
            f'{what}: expected how many, or a list of whole numbers from 0; found {value!r}'
        )
    return seeds
