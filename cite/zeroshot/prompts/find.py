"""Prompt templates by what a user says: a name, a domain, a file, sentences, or 'model'."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cite.errors import ConfigError
from cite.zeroshot.prompts.prompt_file import SUFFIXES, read_prompts
from cite.zeroshot.prompts.prompt_set import DOMAINS, PromptSet
from cite.zeroshot.prompts.shipped import as_domain, default_set, plain, prompt_sets

NONE = PromptSet('none', 'general', ('{}',), 'the texts of the classes as they are')


class HasTemplates(Protocol):
    """What a space (`cite.serving.space.Space`) says of its authors' prompts."""

    @property
    def name(self) -> str: ...
    @property
    def templates(self) -> tuple[str, ...]: ...
    @property
    def templates_from(self) -> str: ...


def find_prompts(
    spec: str | Path | Sequence[str],
    space: HasTemplates | None = None,
    domain: str | None = None,
) -> PromptSet:
    """The templates that are meant.

    Args:
        spec: 'model': those of the model's authors, and where none are known the default set of `domain`.
            Templates that we know to be of another domain than `domain` count as not known: PLIP's say
            'H&E', which is wrong of a radiograph.
            Else the name of a set ('conch'), of a domain ('chest x-ray': its default set), 'none' (the
            texts of the classes as they are), a .txt or .yaml file, or one or several sentences with `{}`.
        space: Whose templates 'model' means.
        domain: Of the images, one of `DOMAINS`.

    Raises:
        ConfigError: No such set or file, 'model' where nothing is known and no domain is given, or a
            template without `{}`.
    """
    domain = None if domain is None else as_domain(domain)
    if isinstance(spec, str | Path):
        return _one(spec, space, domain)
    listed = tuple(spec)
    if len(listed) == 1:  # as a command line gives it
        return _one(listed[0], space, domain)
    return PromptSet('own', domain or 'general', listed, 'given')


def _one(spec: str | Path, space: HasTemplates | None, domain: str | None) -> PromptSet:
    said = str(spec).strip()
    if isinstance(spec, Path):
        return read_prompts(spec, domain)
    if '{}' in said:
        return PromptSet('own', domain or 'general', (said,), 'given')
    name = plain(said)
    if name == 'model':
        return _of_model(space, domain)
    if name == 'none':
        return NONE
    for own, found in prompt_sets().items():
        if plain(own) == name:
            return found
    if name in map(plain, DOMAINS):
        return default_set(name)
    if said.lower().endswith(SUFFIXES):
        return read_prompts(said, domain)
    names = ['model', 'none', *DOMAINS, *prompt_sets()]
    close = difflib.get_close_matches(said.lower(), names, n=1)
    hint = f'did you mean {close[0]!r}? ' if close else ''
    raise ConfigError(
        f'templates {said!r}: no set of that name; {hint}Expected {_choices()}, a .txt or .yaml file, or '
        'sentences with {} for the text of a class'
    )


def _of_model(space: HasTemplates | None, domain: str | None) -> PromptSet:
    templates = () if space is None else space.templates
    theirs = [found.domain for found in prompt_sets().values() if found.templates == templates]
    other = bool(domain and theirs) and not {domain, 'general'} & set(theirs)
    if space is not None and templates and not other:
        known = domain if domain in theirs or not theirs else theirs[0]
        return PromptSet(
            'model', known or 'general', templates, f'{space.name}: {space.templates_from}'
        )
    if domain is not None:
        return default_set(domain)
    model = 'no model is given' if space is None else f'none are known of {space.name}'
    raise ConfigError(
        f"templates 'model' are those of the model's authors, and {model}. Give {_choices()}, or sentences "
        'with {} for the text of a class'
    )


def _choices() -> str:
    sets = ', '.join(prompt_sets())
    return f'a set ({sets}), a domain ({", ".join(DOMAINS)}), or none'
