"""Zero-shot classification with a vision-language pair: nothing trains.

CLIP (Radford et al., ICML 2021), section 3.1.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cite.anchors import Anchors, class_sentences, embed_classes
from cite.anchors.ensemble import Texts
from cite.errors import ConfigError
from cite.heads.base import HEADS
from cite.heads.text_embedding import LOG_SCALE, TextEmbeddingHead


@HEADS.register
class ZeroShotHead(TextEmbeddingHead):
    """The pair's own text tower names the classes; its own logit scale is the temperature.

    Args:
        texts: One per class, several per class, or a file of descriptions, as of `TextEmbeddingHead`.
        text_encoder: The text tower of the pair, `dict(type='CLIPTextEncoder', model='clip-vit-b16')`.
        anchors: Ready embeddings instead.
        template: A sentence with `{}` for the text, such as 'a photo of a {}.'.
        templates: Several such sentences, whose anchors are averaged; 'pair': those of the pair's authors.

    Raises:
        ConfigError: A template without `{}`, or both `template` and `templates`.
    """

    paper = 'CLIP: Radford et al., ICML 2021'

    def __init__(
        self,
        texts: Texts,
        text_encoder: Mapping[str, Any] | str | None = None,
        anchors: Anchors | None = None,
        template: str = '{}',
        templates: str | Sequence[str] | None = None,
    ) -> None:
        if templates is None:
            templates = template
        elif template != '{}':
            raise ConfigError(
                f'ZeroShotHead: template={template!r} and templates={templates!r}; give one of them'
            )
        if anchors is None and text_encoder is not None:
            sentences = class_sentences(texts, templates, text_encoder)
            anchors = embed_classes(sentences, text_encoder)
        scale = float(anchors.provenance.get('logit_scale', LOG_SCALE)) if anchors else LOG_SCALE
        super().__init__(texts, text_encoder, anchors, temperature=scale)
