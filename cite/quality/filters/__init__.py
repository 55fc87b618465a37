"""One file per filter. A class that registers itself is known by its name in small letters."""

from __future__ import annotations

import difflib
from typing import Any

from cite.errors import ConfigError
from cite.quality.filters.base import FILTERS, Filter, name_of
from cite.registry import check_options


def filter_classes() -> dict[str, type[Filter]]:
    """Name → class, in the order in which filters run."""
    found: list[type[Filter]] = [FILTERS.get(name) for name in FILTERS.names()]
    classes = sorted(found, key=lambda one: (one.place, one.__name__))
    return {name_of(one): one for one in classes}


def filter_names() -> list[str]:
    """All filters, in the order in which they run."""
    return list(filter_classes())


def default_filters(captions: bool) -> list[str]:
    """Names of the filters that need no model; those of captions where there are captions."""
    return [
        name
        for name, one in filter_classes().items()
        if one.by_default and (captions or not one.needs_captions)
    ]


def build_filter(name: str, **options: Any) -> Filter:
    """A filter by its name.

    Raises:
        ConfigError: No such filter, or an option that it does not take.
    """
    classes = filter_classes()
    if name not in classes:
        close = difflib.get_close_matches(name, classes, n=1)
        hint = f' Did you mean {close[0]!r}?' if close else ''
        raise ConfigError(f'there is no filter called {name!r}.{hint} Known: {", ".join(classes)}')
    check_options(f'filter {name}', classes[name], options)
    return classes[name](**options)
