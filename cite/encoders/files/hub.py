"""Files from the Hugging Face hub, and errors that say what to do when they cannot be had."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cite.encoders.card import Source
from cite.encoders.files.shards import INDEX, shard_names
from cite.errors import CiteError, ModelError

TIMEOUT = 5.0  # seconds for the hub's first answer; a download itself may take as long as it needs


def fetch(source: Source) -> Path:
    """The local path of a hub file, downloaded if it is not in the hub's cache yet.

    Where weights are in several files, the index that lists them is returned; they lie beside it. A
    cached file is used without asking the hub, so that a study keeps its weights and works offline.
    `HF_HUB_OFFLINE`, `HF_HOME` and `HF_TOKEN` work as everywhere.

    Raises:
        ModelError: On no hub, offline, no access, or no such repository, revision or file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repo, revision = source.repo, source.revision
    if repo is None:
        raise ModelError(f'on no hub: {source.how}')

    def whole(filename: str, **options: Any) -> Path:
        path = Path(hf_hub_download(repo, filename, revision=revision, **options))
        if filename.endswith(INDEX):
            folder = filename.rpartition('/')[0]
            for shard in sorted(set(shard_names(path).values())):
                hf_hub_download(repo, f'{folder}/{shard}'.lstrip('/'), revision=revision, **options)
        return path

    whole_or_sharded = (
        *source.filenames,
        *(f'{name}{INDEX}' for name in source.filenames if name.endswith(('.safetensors', '.bin'))),
    )
    try:
        for filename in whole_or_sharded:
            try:
                return whole(filename, local_files_only=True)
            except LocalEntryNotFoundError:
                continue
        for filename in whole_or_sharded:
            try:
                ask(repo, filename, revision)
            except EntryNotFoundError:
                continue
            return whole(filename, etag_timeout=TIMEOUT)
    except CiteError:
        raise
    except Exception as error:
        # the client raises its own, httpx's, requests' or the system's errors, by version
        raise ModelError(explain(source, error)) from error
    raise ModelError(
        f'hub repository {repo} (revision {revision}) has none of {", ".join(source.filenames)}. '
        'Pass the weights as a local file: weights=<path>'
    )


def ask(repo: str, filename: str, revision: str | None) -> None:
    """Asks the hub once whether it has a file, without retries.

    Downloads by huggingface_hub and transformers try again and again where there is no network, for
    minutes; whatever this raises is raised within seconds.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    get_hf_file_metadata(hf_hub_url(repo, filename, revision=revision), timeout=TIMEOUT)


def commit_of(path: Path) -> str | None:
    """The commit that a file in the hub's cache belongs to; None for any other file."""
    hashes = (part for part in reversed(path.parts) if re.fullmatch('[0-9a-f]{40}', part))
    return next(hashes, None)


def explain(source: Source, error: Exception, whole: bool = False) -> str:
    """Why the hub does not give a file, and what to do.

    Args:
        whole: The model is read from a folder, its file alone is of no use.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f'https://huggingface.co/{source.repo}'
    local = (
        'Or get the repository elsewhere and pass model=<its folder>'
        if whole or source.filenames == ('config.json',)
        else f'Or get {source.filenames[0]} elsewhere and pass weights=<its path>'
    )
    if isinstance(error, HFValidationError):
        return f'{source.repo!r} is no hub repository: expected owner/name'
    if isinstance(error, GatedRepoError):
        return (
            f'{source.repo} is gated: accept its terms at {page}, then run `hf auth login` or set '
            f'HF_TOKEN. {local}'
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f'no hub repository {source.repo}, or it is private. Check the name; if you have '
            f'access, run `hf auth login` or set HF_TOKEN. {local}'
        )
    if isinstance(error, RevisionNotFoundError):
        return f'{source.repo} has no revision {source.revision!r}, see {page}/commits/main'
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f'{source.repo} is not in the local hub cache and HF_HUB_OFFLINE is set. Run once '
            f'online, e.g. `hf download {source.repo}`. {local}'
        )
    reason = str(error).strip().split('\n')[0] or type(error).__name__
    return (
        f'cannot get {source.repo} from the Hugging Face hub ({reason}). Check network, proxy and '
        f'disk space. {local}'
    )
