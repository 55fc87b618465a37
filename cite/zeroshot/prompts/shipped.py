"""The prompt sets that come with the library: a YAML file per domain, each set with its source."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cite.errors import ConfigError
from cite.zeroshot.prompts.prompt_set import DOMAINS, PromptSet


def prompt_sets() -> dict[str, PromptSet]:
    """All sets by name, domain after domain; the first of each domain is its default."""
    return dict(_shipped())


def default_set(domain: str) -> PromptSet:
    """What a domain's name stands for.

    Raises:
        ConfigError: An unknown domain.
    """
    wanted = as_domain(domain)
    return next(found for found in _shipped().values() if found.domain == wanted)


def as_domain(name: str) -> str:
    """The domain that a name means: case, hyphens and underscores do not matter.

    Raises:
        ConfigError: An unknown domain.
    """
    for domain in DOMAINS:
        if plain(domain) == plain(name):
            return domain
    raise ConfigError(f'domain {name!r}: expected one of {", ".join(DOMAINS)}')


def plain(name: str) -> str:
    """A name as names are compared: 'Chest X-ray' and 'chest_x_ray' are one."""
    return name.strip().lower().replace('-', ' ').replace('_', ' ')


@cache
def _shipped() -> dict[str, PromptSet]:
    import yaml

    sets = {}
    for domain in DOMAINS:
        path = Path(__file__).parent / f'{plain(domain).replace(" ", "_")}.yaml'
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        for name, row in content['sets'].items():
            sets[name] = PromptSet(
                name, content['domain'], tuple(row['templates']), row['source'].strip()
            )
    return sets
