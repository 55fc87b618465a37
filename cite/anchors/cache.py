"""Anchors on disk: a second run needs no text model.

One small safetensors file per question (encoder settings and texts) in `$CITE_CACHE/anchors`, default
`~/.cache/cite/anchors`. The answer is used only while the encoder's weights, where they are at hand,
are the ones that gave it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cite.anchors.anchors import Anchors
from cite.atomic import write_bytes
from cite.errors import ConfigError
from cite.paths import cache_dir

logger = logging.getLogger(__name__)


def _path(settings: Mapping[str, Any], texts: Sequence[str]) -> Path:
    question = json.dumps([dict(settings), list(texts)], sort_keys=True)
    return (
        cache_dir()
        / 'anchors'
        / f'{hashlib.sha256(question.encode()).hexdigest()[:24]}.safetensors'
    )


def load(
    settings: Mapping[str, Any], texts: Sequence[str], fingerprint: str | None
) -> Anchors | None:
    """The stored anchors, or None. A damaged or outdated file counts as none."""
    from safetensors import SafetensorError, safe_open

    path = _path(settings, texts)
    try:
        with safe_open(path, 'pt') as file:
            provenance = dict(json.loads((file.metadata() or {})['provenance']))
            anchors = Anchors(file.get_tensor('embeddings'), tuple(texts), provenance)
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, ConfigError) as error:
        logger.warning('anchor cache %s is damaged (%s) and is made anew', path, error)
        return None
    if fingerprint is not None and provenance.get('fingerprint') != fingerprint:
        logger.warning('%s has changed since its anchors were cached: embedding again', path)
        return None
    return anchors


def store(settings: Mapping[str, Any], anchors: Anchors) -> None:
    """Writes the anchors atomically. No room or no permission costs a warning, not the run."""
    from safetensors.torch import save

    path = _path(settings, anchors.texts)
    metadata = {
        'provenance': json.dumps(dict(anchors.provenance)),
        'texts': json.dumps(anchors.texts),
    }
    try:
        write_bytes(path, save({'embeddings': anchors.embeddings.contiguous()}, metadata))
    except OSError as error:
        logger.warning('anchors could not be cached in %s: %s', path.parent, error)
