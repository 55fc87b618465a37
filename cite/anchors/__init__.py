"""Class texts → frozen embeddings, cached with their provenance."""

from cite.anchors.anchors import Anchors
from cite.anchors.embed import embed_texts

__all__ = ['Anchors', 'embed_texts']
