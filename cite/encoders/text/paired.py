"""Text encoders whose weights lie in the file of a vision-language pair, beside its vision half."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from cite.encoders.card import Published, Source
from cite.encoders.files.hub import commit_of
from cite.encoders.files.sources import placed_file, resolve_weights
from cite.encoders.text.base import FrozenTextEncoder, check_texts
from cite.encoders.text.hub import cached_first, explain_missing, find_file, identity, quiet
from cite.encoders.text.tower import TextTower
from cite.encoders.zoo import find_text_card
from cite.errors import CiteError, ModelError
from cite.frozen import file_digest
from cite.tuning.base import Tuning
from cite.tuning.several import build_tuning

FILENAMES = (
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.bin',
    'model.safetensors',
    'pytorch_model.bin',
)
"""What pairs are called on the hub, where no row of the zoo says so."""


class PairedTextEncoder(FrozenTextEncoder):
    """Base of text halves that are read from a file of both halves.

    Args:
        model: Zoo name of the pair, hub id, or a local folder or file.
        revision: Commit, tag or branch on the hub.
        weights: File of the pair, or a folder with one.
        tokenizer: Hub id or folder of the tokenizer; default: the zoo's, else what lies beside the
            weights, else the model's own.
    """

    pooling: str

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        weights: str | Path | None = None,
        tokenizer: str | None = None,
    ) -> None:
        self.card = find_text_card(model)
        self.model = model
        self.source = (self.card.hub if self.card else None) or model
        self.revision = revision
        self.weights = None if weights is None else Path(weights).expanduser()
        self._tokenizer = tokenizer
        self._loaded: tuple[Any, Any, float] | None = None

    def settings(self) -> dict[str, Any]:
        row = self.card.options.get('tokenizer') if self.card else None
        own = self._tokenizer is not None and self._tokenizer != row
        return {
            'type': type(self).__name__,
            'model': identity(self.source),
            'revision': self.revision,
            'pooling': self.pooling,
            **({'tokenizer': identity(str(self._tokenizer))} if own else {}),
            **({} if self.weights is None else {'weights': self.weights.name}),
        }

    def fingerprint(self) -> str | None:
        path = self._at_hand()
        if path is None:
            return None  # told when it is read
        commit = commit_of(path)
        return f'commit {commit}' if commit else file_digest(path)

    def provenance(self) -> dict[str, Any]:
        """Also 'logit_scale': the logarithm of what multiplies the pair's cosines."""
        _, _, scale = self._load()
        return {**self.settings(), 'fingerprint': self.fingerprint(), 'logit_scale': scale}

    def encode_text(self, texts: Sequence[str], batch_size: int = 32) -> Tensor:
        check_texts(texts)  # before minutes go into loading the model
        return self._tower(None).encode_text(texts, batch_size)

    def tower(self, tuning: Mapping[str, Any] | Tuning | None = None) -> TextTower:
        tower = self._tower(build_tuning(tuning))
        self._loaded = None  # what the tuning does to it is no business of this encoder
        return tower

    @abstractmethod
    def _tower(self, tuning: Tuning | None) -> TextTower:
        """The loaded model as a tower."""

    @abstractmethod
    def _read(self, path: Path) -> tuple[Any, float]:
        """The text model of a file, and the logarithm of the pair's scale."""

    def _load(self) -> tuple[Any, Any, float]:
        """Tokenizer, model, logarithm of the scale."""
        if self._loaded is None:
            found = resolve_weights(self._published(), self._local())
            tokenizer = self._load_tokenizer(found.path if found.origin == 'local' else None)
            self._loaded = tokenizer, *self._read(found.path)
        return self._loaded

    def _published(self) -> Published:
        """What says where the weights are: the row of the zoo, or one for any other name."""
        row: Published = self.card or Published(
            name=self.model, licence='', citation='', source=Source(self.source, FILENAMES)
        )
        if self.revision and row.source:
            row = replace(row, source=replace(row.source, revision=self.revision))
        return row

    def _local(self) -> Path | None:
        """The file or folder that the caller named, if any."""
        named = Path(self.model).expanduser()
        return (
            named if self.weights is None and self.card is None and named.exists() else self.weights
        )

    def _at_hand(self) -> Path | None:
        """The weights file, if it is on this machine."""
        local = self._local()
        if local is not None:
            try:
                return resolve_weights(self._published(), local).path
            except ModelError:
                return None
        row = self._published()
        placed = placed_file(row)
        if placed is not None or row.source is None or row.source.repo is None:
            return placed
        revision = row.source.revision
        paths = (find_file(row.source.repo, name, revision) for name in row.source.filenames)
        return next((path for path in paths if path is not None), None)

    def _load_tokenizer(self, weights: Path | None) -> Any:
        """By the order that the class states; beside `weights` only where those are a local file."""
        from transformers import AutoTokenizer

        row = self.card.options.get('tokenizer') if self.card else None
        source = self._tokenizer or row or self.source
        asked_for = self._tokenizer is not None and self._tokenizer != row
        if weights is not None and not asked_for and _has_tokenizer(weights.parent):
            source = str(weights.parent)
        revision: Any = (
            {'revision': self.revision} if self.revision and source == self.source else {}
        )
        try:
            with quiet():
                return cached_first(
                    lambda where: AutoTokenizer.from_pretrained(source, **revision, **where),
                    source,
                    revision.get('revision'),
                )
        except CiteError:
            raise
        except Exception as error:  # transformers raises OSError, ValueError, hub errors, …
            what = (
                f'the tokenizer of {self.model}: tokenizer=<folder> names one (of a pair: '
                'text=dict(tokenizer=<folder>)), or its files beside the weights; here'
            )
            raise ModelError(explain_missing(what, source, error, ())) from error


def _has_tokenizer(folder: Path) -> bool:
    names = ('tokenizer.json', 'vocab.json', 'vocab.txt')
    settings = ('tokenizer_config.json', 'config.json')
    return any((folder / name).is_file() for name in names) and any(
        (folder / name).is_file() for name in settings
    )
