"""What a text encoder is: texts in, one vector per text out, with a record of where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cite.registry import Registry

TEXT_ENCODERS = Registry('text encoder', 'cite.encoders.text')


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
        """Texts → float32 vectors (N, dim), not normalised."""
        raise NotImplementedError

    def provenance(self) -> dict[str, Any]:
        """What was used, after encoding: settings with 'auto' resolved, fingerprint, versions."""
        raise NotImplementedError
