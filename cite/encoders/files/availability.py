"""Whether the weights of a model are on this machine or can be had, without fetching them."""

from __future__ import annotations

from pathlib import Path

from cite.encoders.card import Card, Published
from cite.encoders.files.hub import ask, explain
from cite.encoders.files.shards import INDEX
from cite.encoders.files.sources import placed_file, resolve_weights
from cite.encoders.text_card import TextCard
from cite.errors import ModelError


def find_weights(row: Published, weights: str | Path | None = None) -> str:
    """Says where the weights are; asks the hub once where they are not here.

    Args:
        row: A vision model or a text encoder.
        weights: Local file or folder that is to be used instead.

    Raises:
        ModelError: They cannot be had; the message says how to get access, or how to get them by hand.
        ConfigError: `$CITE_WEIGHTS` names no folder.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    source = row.source
    if weights is not None or (isinstance(row, Card) and row.weights is not None):
        return str(resolve_weights(row, weights).path)
    if source is None:
        return 'random by design'
    placed = placed_file(row)
    if placed is not None or source.repo is None:
        return str(placed or resolve_weights(row).path)  # which says how to get them
    names = dict.fromkeys(
        (*source.filenames, *(f'{n}{INDEX}' for n in source.filenames if not n.endswith(INDEX)))
    )
    for name in names:
        cached = try_to_load_from_cache(source.repo, name, revision=source.revision)
        if isinstance(cached, str):
            return f'{cached} (hub cache)'
    try:
        for name in names:
            try:
                ask(source.repo, name, source.revision)
            except EntryNotFoundError:
                continue
            return f'on the hub, fetched at first use ({source.repo}, {name})'
    except Exception as error:  # the client's own, httpx's or the system's, by version
        whole = isinstance(row, TextCard) and row.encoder == 'TextEncoder'
        raise ModelError(f'weights of {row.name}: {explain(source, error, whole)}') from error
    raise ModelError(
        f'weights of {row.name}: hub repository {source.repo} has none of {", ".join(names)}'
    )
