"""Class texts → anchors: from the cache, or by the encoder once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from cite.anchors import cache
from cite.anchors.anchors import Anchors
from cite.encoders.text import FrozenTextEncoder, build_text_encoder
from cite.encoders.text.base import check_texts

logger = logging.getLogger(__name__)


def embed_texts(
    texts: Sequence[str], text_encoder: FrozenTextEncoder | Mapping[str, Any] | str
) -> Anchors:
    """One embedding per text, through the cache on disk.

    Args:
        texts: One text per class.
        text_encoder: A config (`dict(type='TextEncoder', model=…)`), the name of a model, or an
            encoder. It is freed afterwards, unless the caller holds it.

    Raises:
        ConfigError: No texts, an empty one, one longer than the encoder takes, or an unknown pooling.
        ModelError: The encoder cannot be had, or lacks the weights that the pooling needs.
    """
    check_texts(texts)
    if isinstance(text_encoder, str):
        text_encoder = {'type': 'TextEncoder', 'model': text_encoder}
    encoder: FrozenTextEncoder = build_text_encoder(text_encoder)
    settings = encoder.settings()
    found = cache.load(settings, texts, encoder.fingerprint())
    if found is not None:
        logger.info('anchors of %s from the cache', encoder.model)
        return found
    # Building a model draws random numbers, even where weights replace them: a cold cache must not
    # give another initial projection than a warm one.
    with torch.random.fork_rng(devices=[]):
        embeddings = encoder.encode_text(texts).clone()  # no inference tensor any more
        provenance = encoder.provenance()
    anchors = Anchors(embeddings, tuple(texts), provenance)
    cache.store(settings, anchors)
    return anchors
