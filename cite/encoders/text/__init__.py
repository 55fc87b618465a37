"""Frozen text encoders: tokenizer, model, pooling → one vector per text."""

from __future__ import annotations

from typing import Any

from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder

__all__ = ['TEXT_ENCODERS', 'FrozenTextEncoder', 'load_text']


def load_text(model: str, type: str = 'TextEncoder', **options: Any) -> FrozenTextEncoder:
    """A text encoder by name, hub id or folder; loaded at the first text.

    Args:
        model: See `cite models`.
        type: 'TextEncoder' (BERT and relatives) or 'CLIPTextEncoder'.
        **options: Of that class, such as `pooling='cls'`.

    Raises:
        ConfigError: An unknown type or option.
    """
    encoder: FrozenTextEncoder = TEXT_ENCODERS.build({'type': type, 'model': model, **options})
    return encoder
