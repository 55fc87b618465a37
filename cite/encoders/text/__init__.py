"""Frozen text encoders: tokenizer, model, pooling → one vector per text."""

from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder

__all__ = ['TEXT_ENCODERS', 'FrozenTextEncoder']
