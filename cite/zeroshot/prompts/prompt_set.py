"""A set of prompt templates: sentences around the text of a class."""

from __future__ import annotations

from dataclasses import dataclass

from cite.errors import ConfigError

DOMAINS = (
    'general',
    'pathology',
    'chest x-ray',
    'dermatology',
    'fundus',
    'ct',
    'mri',
    'ultrasound',
)
"""Kinds of images that there are templates for; 'general' is none in particular."""


@dataclass(frozen=True)
class PromptSet:
    """Templates that belong together.

    Attributes:
        name: What it is asked for by; 'own' for sentences that were given.
        domain: One of `DOMAINS`.
        templates: Sentences with `{}` for the text of a class, one or more.
        source: Paper, repository or file that states them.

    Raises:
        ConfigError: No templates, one without `{}`, one that stands there twice, or an unknown domain.
    """

    name: str
    domain: str
    templates: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        where = f'templates {self.name!r}'
        if self.domain not in DOMAINS:
            raise ConfigError(f'{where}: domain {self.domain!r}, expected one of {DOMAINS}')
        if not self.templates:
            raise ConfigError(f'{where}: none there, expected one or more sentences with {{}}')
        seen: set[str] = set()
        for template in self.templates:
            if not isinstance(template, str) or '{}' not in template:
                raise ConfigError(
                    f'{where}: each needs {{}} where the text of a class goes, such as "an H&E image of '
                    f'{{}}."; found {template!r}'
                )
            if template in seen:
                raise ConfigError(f'{where}: {template!r} stands there twice; leave one')
            seen.add(template)
