"""Zero-shot classification with a vision-language pair: nothing trains.

CLIP (Radford et al., ICML 2021), section 3.1.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cite.anchors import Anchors, embed_texts
from cite.encoders.text.base import check_texts
from cite.errors import ConfigError
from cite.heads.base import HEADS
from cite.heads.text_embedding import TextEmbeddingHead


@HEADS.register
class ZeroShotHead(TextEmbeddingHead):
    """The pair's own text tower names the classes; its own logit scale is the temperature.

    Args:
        texts: One per class.
        text_encoder: The text tower of the pair, `dict(type='CLIPTextEncoder', model='clip-vit-b16')`.
        anchors: Ready embeddings instead.
        template: A sentence with `{}` for the text, such as 'a photo of a {}.'.

    Raises:
        ConfigError: A template without `{}`.
    """

    def __init__(
        self,
        texts: Sequence[str],
        text_encoder: Mapping[str, Any] | str | None = None,
        anchors: Anchors | None = None,
        template: str = '{}',
    ) -> None:
        if '{}' not in template:
            raise ConfigError(f'ZeroShotHead: template needs {{}} for the text, found {template!r}')
        if anchors is None and text_encoder is not None:
            check_texts(texts)
            anchors = embed_texts([template.replace('{}', text) for text in texts], text_encoder)
        scale = float(anchors.provenance.get('logit_scale', 4.6052)) if anchors else 4.6052
        super().__init__(texts, text_encoder, anchors, temperature=scale)
