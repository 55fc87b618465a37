"""Prompt templates from a file of the user's.

Text: a template per line; empty lines, and lines that start with '#', are left out.

YAML: a list of templates, or

    source: where they come from, optional
    domain: pathology, optional
    templates:
      - an H&E image of {}.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cite.errors import ConfigError
from cite.zeroshot.prompts.prompt_set import PromptSet
from cite.zeroshot.prompts.shipped import as_domain

SUFFIXES = ('.txt', '.yaml', '.yml')
LARGEST = 1 << 20
"""Bytes of a file of templates."""
_KEYS = ('source', 'domain', 'templates')


def read_prompts(path: str | Path, domain: str | None = None) -> PromptSet:
    """The templates in a file, named after it.

    Args:
        path: A .txt, .yaml or .yml file in UTF-8.
        domain: What the file does not say; default 'general'.

    Raises:
        ConfigError: No such file, one that cannot be read or is too large, or of another form; a template
            without `{}`.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f'templates {path}: expected a file {", ".join(SUFFIXES)}')
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ConfigError(f'templates {path}: {size} bytes, expected at most {LARGEST}')
        content = path.read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        raise ConfigError(f'templates {path}: no such file') from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'templates {path} cannot be read as UTF-8 text: {error}') from error
    found: Mapping[str, Any] = (
        {'templates': _lines(content)} if path.suffix.lower() == '.txt' else _of_yaml(content, path)
    )
    return PromptSet(
        path.stem,
        as_domain(str(found.get('domain') or domain or 'general')),
        tuple(found['templates']),
        str(found.get('source') or path.name),
    )


def _lines(content: str) -> list[str]:
    lines = (line.strip() for line in content.splitlines())
    return [line for line in lines if line and not line.startswith('#')]


def _of_yaml(content: str, path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        told = ' '.join(str(error).split())[:200]
        raise ConfigError(f'templates {path} is no YAML of plain values ({told})') from error
    if isinstance(tree, list):
        tree = {'templates': tree}
    listed = tree.get('templates') if isinstance(tree, Mapping) else None
    if not isinstance(listed, list) or set(tree) - set(_KEYS):
        raise ConfigError(
            f'templates {path}: expected a list of sentences, or `templates` with such a list and, if '
            f'wanted, `source` and `domain`. A template that starts with {{}} needs quotes in YAML'
        )
    return tree
