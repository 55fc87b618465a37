"""Names in a config → classes, so that a method is added by one file in its folder.

A registry belongs to a folder of the library (and to `cite/legacy`, where that holds classes of its
kind). The first look-up imports the folder's modules; each of them registers its class with a decorator.
Nothing else has to be touched to add a tuning, a neck, a head or a text encoder. A module elsewhere
registers in the same way, once a config's `custom_imports` has imported it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cite import former_names
from cite.errors import ConfigError

T = TypeVar('T')


class Registry:
    """Classes of one kind, found by name.

    Args:
        kind: What the classes are, for messages: 'tuning', 'head', ….
        packages: Dotted names of the folders whose modules register themselves.
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind = kind
        self.packages = packages
        self._classes: dict[str, type] = {}
        self._imported = False

    def register(self, cls: type[T]) -> type[T]:
        """Class decorator: makes the class known by its own name."""
        known = self._classes.get(cls.__name__)
        if known is not None and (known.__module__, known.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise ConfigError(f'two {self.kind}s are called {cls.__name__}: {known} and {cls}')
        self._classes[cls.__name__] = cls
        return cls

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        self._import_modules()
        return sorted(self._classes)

    def get(self, name: str) -> type:
        """The class of that name.

        Raises:
            ConfigError: Unknown name; the message lists the known ones.
        """
        if name not in self._classes:
            self._import_modules()
        if name in self._classes:
            return self._classes[name]
        close = difflib.get_close_matches(name, self._classes, n=1)
        did_you_mean = f' Did you mean {close[0]!r}?' if close else ''
        hint = former_names.hint(name) or did_you_mean
        raise ConfigError(
            f'there is no {self.kind} called {name!r}.{hint} Known: {", ".join(self.names())}'
        )

    def build(self, spec: Any, **context: Any) -> Any:
        """Builds `spec`: a dict with `type`, a bare name, or a ready object (returned as it is).

        Args:
            spec: `dict(type='Name', option=…)`, 'Name', or an instance.
            **context: Arguments that the caller supplies beside the options of the spec.

        Raises:
            ConfigError: No `type`, an unknown type, an option that the class does not take, or one
                that it needs and was not given.
        """
        if isinstance(spec, str):
            spec = {'type': spec}
        if not isinstance(spec, Mapping | int | float | list | tuple | None):
            return spec
        options = dict(spec) if isinstance(spec, Mapping) else {}
        name = options.pop('type', None)
        if isinstance(name, type):
            cls = name
        elif isinstance(name, str):
            cls = self.get(name)
        else:
            raise ConfigError(
                f'a {self.kind} needs a `type`, found {spec!r}. Known: {", ".join(self.names())}'
            )
        check_options(f'{self.kind} {cls.__name__}', cls, {**options, **context})
        return cls(**options, **context)

    def _import_modules(self) -> None:
        if self._imported:
            return
        for name in self.packages:
            for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
                importlib.import_module(f'{name}.{module.name}')
        self._imported = True


def class_of(registry: Registry, spec: Any) -> Any:
    """The class that a spec names; None of a list of specs, and of what building it will refuse."""
    kind = spec if isinstance(spec, str) else spec.get('type') if hasattr(spec, 'get') else None
    if isinstance(kind, type):
        return kind
    return registry.get(kind) if isinstance(kind, str) else None


def check_options(what: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuses options that a class or function does not take, before Python does it by traceback.

    Args:
        what: Names it in the message.
        function: The class or function.
        options: Keyword arguments for it.

    Raises:
        ConfigError: An unknown option, or a missing one that has no default.
    """
    parameters = inspect.signature(function).parameters
    takes = f'it takes: {", ".join(parameters) or "none"}'
    named = [p for p in parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    missing = [p.name for p in named if p.default is p.empty and p.name not in options]
    if missing:
        raise ConfigError(f'{what} needs the option {", ".join(map(repr, missing))}; {takes}')
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    unknown = [name for name in options if name not in parameters]
    if unknown:
        raise ConfigError(f'{what} has no option {", ".join(map(repr, unknown))}; {takes}')
