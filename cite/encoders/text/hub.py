"""Where a text model's files are: local folder or the hub's cache, and what to say when they are not."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cite.encoders.files.hub import ask
from cite.encoders.files.sources import placed_folder
from cite.errors import ModelError

if TYPE_CHECKING:
    from cite.encoders.text_card import TextCard

logger = logging.getLogger(__name__)

_EDGE = 1 << 20

Loaded = TypeVar('Loaded')


def identity(source: str) -> str:
    """What a model is called in records: the whole path of a folder, also after it is gone."""
    path = Path(source).expanduser()
    is_path = path.is_absolute() or source.startswith('.') or path.is_dir()
    return str(path.resolve()) if is_path else source


def source_of(card: TextCard, revision: str | None) -> str:
    """Where the files of a zoo's model are: placed by hand, with the library, on the hub, or nowhere.

    Args:
        card: The model.
        revision: Of the hub; who asks for one gets that, whatever `$CITE_WEIGHTS` holds.
    """
    placed = placed_folder(card.name) if revision is None else None
    return str(placed or card.folder or card.hub or card.name)


def find_file(source: str, name: str, revision: str | None) -> Path | None:
    """A file of a model, if it is on this machine: in the folder, or in the hub's cache."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(source, name, revision=revision)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def read_json(source: str, name: str, revision: str | None) -> dict[str, Any]:
    """A small JSON file of a model; {} where the model has none.

    A hub model's is fetched if it is not in the cache: the loaders of transformers fetch only what
    they read themselves. Where the hub cannot be asked, a warning says so.

    Raises:
        ModelError: The file is damaged.
    """
    path = find_file(source, name, revision) or _fetch(source, name, revision)
    if path is None:
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ModelError(f'text encoder {source}: {name} is not JSON ({error})') from error
    return content


def _fetch(source: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    if Path(source).expanduser().is_dir():
        return None
    try:
        ask(source, name, revision)
        return Path(hf_hub_download(source, name, revision=revision))
    except EntryNotFoundError:
        return None
    except Exception as error:  # the client's own, httpx's or the system's, by version
        logger.warning(
            'the hub cannot be asked whether %s has a %s (%s); it is taken to have none',
            source,
            name,
            type(error).__name__,
        )
        return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers neither reports missing weights, which are judged here, nor draws a bar."""
    from transformers.utils import logging as transformers_logging

    level, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def cached_first(
    load: Callable[[dict[str, Any]], Loaded], source: str, revision: str | None
) -> Loaded:
    """What `load` makes of a model: from the hub's cache without asking the hub, where it is there.

    Args:
        load: Options for `from_pretrained` -> the model.
        source: Folder or hub id.
        revision: Of the hub model.

    Raises:
        Exception: Whatever the hub's client or `load` raise.
    """
    if not Path(source).expanduser().is_dir():
        if find_file(source, 'config.json', revision):
            with contextlib.suppress(OSError):  # a cache that lacks files
                return load({'local_files_only': True})
        ask(source, 'config.json', revision)
    return load({})


def fingerprint(source: str, revision: str | None) -> str | None:
    """Identity of a model's files on this machine, or None where they are not on it.

    A hub model's is its commit. A folder's is a hash over small files whole and, of large ones, size
    and both ends: enough to notice another model under an old name without reading gigabytes.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        config = find_file(source, 'config.json', revision)
        return f'commit {config.parent.name}' if config else None
    sha = hashlib.sha256()
    for path in sorted(p for p in folder.rglob('*') if p.is_file() and '.git' not in p.parts):
        size = path.stat().st_size
        sha.update(f'{path.relative_to(folder).as_posix()} {size}'.encode())
        with path.open('rb') as file:
            sha.update(file.read(_EDGE))
            if size > 2 * _EDGE:
                file.seek(-_EDGE, os.SEEK_END)
            sha.update(file.read(_EDGE))
    return f'sha256 {sha.hexdigest()[:16]}'


def explain_missing(what: str, source: str, error: Exception, known: Iterable[str]) -> str:
    """One message for everything that can go wrong on the way to a hub model."""
    close = difflib.get_close_matches(source, list(known), n=1)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    reason = (
        str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    )
    return (
        f'{what} {source!r} could not be loaded.{hint} It is neither a folder nor in the hub cache of '
        'this machine, or its files are damaged. With a network it is fetched; without one, copy the '
        "model's folder here and give its path, or put it under the model's short name into the folder "
        f'that CITE_WEIGHTS names. ({type(error).__name__}: {reason})'
    )
