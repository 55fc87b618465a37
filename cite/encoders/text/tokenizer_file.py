"""Where the vocabulary of a text encoder is that is no tokenizer of Hugging Face's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from cite.encoders.card import Source
from cite.encoders.files.hub import fetch
from cite.errors import ModelError


def tokenizer_file(
    model: str,
    names: Sequence[str],
    asked: str | None,
    beside: Path | None,
    repo: str | None,
    how: str,
) -> Path:
    """The file of a vocabulary.

    Args:
        model: For messages.
        names: What it may be called, best first.
        asked: File or folder that the user names; nothing else is looked at then.
        beside: Folder of the weights, where those are a local file; searched first.
        repo: Hub repository; searched last.
        how: Where else to get it.

    Raises:
        ModelError: Not there.
    """
    where = Path(asked).expanduser() if asked else beside
    if asked and where is not None and where.is_file():
        return where
    found = [where / name for name in names if where is not None and (where / name).is_file()]
    if found:
        return found[0]
    reason = f'no {names[0]} in {where}'
    if not asked and repo is not None:
        try:
            return fetch(Source(repo, tuple(names)))
        except ModelError as error:
            reason = str(error)
    raise ModelError(
        f'the tokenizer of {model}: {reason}. Get {names[0]} from {how}, and put it beside the weights '
        'or pass tokenizer=<its path>'
    )


def check_vocabulary(model: str, tokenizer: Any, table: nn.Embedding) -> None:
    """Refuses a tokenizer with more tokens than the weights know.

    Raises:
        ModelError: With both numbers.
    """
    if len(tokenizer) > table.num_embeddings:
        raise ModelError(
            f'the tokenizer of {model} has {len(tokenizer)} tokens, its weights have '
            f'{table.num_embeddings}: it belongs to another model. Pass the right one as tokenizer=<path>'
        )
