"""What a text encoder is: texts in, one vector per text out, with a record of where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cite.errors import ConfigError
from cite.registry import Registry

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.tuning.base import Tuning

TEXT_ENCODERS = Registry('text encoder', 'cite.encoders.text')
PLAIN_OPTIONS = (
    'type', 'model', 'revision', 'pooling', 'activation', 'prefix', 'max_length', 'pretrained', 'precision'
)  # fmt: skip
"""Options that name an encoder to any machine, and that a file from anybody may set: no code, no path
beside the model's own."""


class FrozenTextEncoder:
    """Base of all text encoders. Building one is cheap: the model is loaded at the first text."""

    model: str

    def settings(self) -> dict[str, Any]:
        """Everything asked for that decides the embeddings: model, revision, pooling, …."""
        raise NotImplementedError

    def fingerprint(self) -> str | None:
        """Identity of the weights at hand (a commit, a hash), or None where there are none."""
        raise NotImplementedError

    def encode_text(self, texts: Sequence[str], batch_size: int = 32) -> Tensor:
        """Texts → float32 vectors (N, dim), not normalised.

        Raises:
            ConfigError: No list of texts, an empty text, or one longer than the model takes.
            ModelError: The model cannot be had, or lacks weights that would be needed.
        """
        raise NotImplementedError

    def tower(self, tuning: Mapping[str, Any] | Tuning | None = None) -> TextTower:
        """The encoder as a module that takes part in training, with what tunes it; loaded anew.

        Raises:
            ConfigError: An unknown tuning, or one that a text tower has no place for.
            ModelError: The model cannot be had.
        """
        raise NotImplementedError

    def provenance(self) -> dict[str, Any]:
        """What was used, after encoding: settings with 'auto' resolved, fingerprint, versions."""
        raise NotImplementedError


def check_texts(texts: Sequence[str]) -> None:
    """Refuses what is no list of texts, and texts that say nothing.

    Raises:
        ConfigError: Naming what was found.
    """
    listed = isinstance(texts, Sequence) and not isinstance(
        texts, str
    )  # a generator would be used up
    if not listed or not texts or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f'texts must be a list with one string per class, found {texts!r}')
    if not all(text.strip() for text in texts):
        raise ConfigError(f'a class has an empty text, each needs a description: {list(texts)!r}')


def check_lengths(model: str, tokenizer: Any, limit: int, texts: Sequence[str]) -> None:
    """Refuses texts of more than `limit` tokens, special tokens included: none is cut silently.

    Raises:
        ConfigError: Naming the first such text.
    """
    from cite.encoders.text.hub import quiet  # which stands above this module

    for text in texts:
        with quiet():
            length = len(tokenizer(text)['input_ids'])
        if length > limit:
            raise ConfigError(
                f'text of {length} tokens is longer than the {limit} that {model} takes: '
                f'"{text[:60]}…". Shorten it; texts are never cut silently'
            )
