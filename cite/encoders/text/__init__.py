"""Frozen text encoders: tokenizer, model, pooling → one vector per text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder
from cite.encoders.zoo import find_text_card

__all__ = ['TEXT_ENCODERS', 'FrozenTextEncoder', 'build_text_encoder', 'load_text']

DEFAULT = 'TextEncoder'


def build_text_encoder(spec: Any) -> FrozenTextEncoder:
    """A text encoder from its spec in a config; nothing is loaded yet.

    Which class reads a model of the zoo is in its row, so that `type='TextEncoder'` fits them all and
    the model can be swapped by its name alone.

    Args:
        spec: `dict(type='TextEncoder', model='biolinkbert-large', pooling='auto')`, or an encoder, which
            is returned as it is.

    Raises:
        ConfigError: An unknown type or option.
    """
    if isinstance(spec, Mapping):
        spec = {'type': DEFAULT, **spec}
        card = find_text_card(str(spec.get('model')))
        if card is not None and spec['type'] in (DEFAULT, card.encoder):
            if card.encoder != DEFAULT and spec.get('pooling') == 'auto':
                del spec['pooling']  # such models know one way to pool
            spec = {**card.options, **spec, 'type': card.encoder}
    encoder: FrozenTextEncoder = TEXT_ENCODERS.build(spec)
    return encoder


def load_text(model: str, **options: Any) -> FrozenTextEncoder:
    """A text encoder by name, hub id or folder; loaded at the first text.

    Args:
        model: See `cite models`.
        **options: Of its class, such as `pooling='cls'`; `type` names the class of a model outside the
            zoo that is no BERT ('CLIPTextEncoder').

    Raises:
        ConfigError: An unknown type or option.
    """
    return build_text_encoder({'model': model, **options})
