"""Text anchors: one embedding per class, and the record of how it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from cite.errors import ConfigError
from cite.frozen import digest


@dataclass(frozen=True)
class Anchors:
    """What a frozen text encoder says of each class.

    Attributes:
        embeddings: (classes, dim) float32, as the encoder gave them (not normalised).
        texts: The texts, in class order.
        provenance: Model, revision, pooling, fingerprint of the weights.
        names: Of the classes, where the texts come from a file that says them; its order may be another
            than the data set's.
    """

    embeddings: Tensor
    texts: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.texts):
            raise ConfigError(
                f'anchors: {len(self.texts)} texts need embeddings of shape ({len(self.texts)}, dim), '
                f'found {tuple(self.embeddings.shape)}'
            )

    @property
    def hash(self) -> str:
        """Hash over texts and values: two anchors with the same hash give the same logits."""
        texts = hashlib.sha256(json.dumps(list(self.texts)).encode()).hexdigest()
        return digest([(texts, self.embeddings)])[:16]
