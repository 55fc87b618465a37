"""Class texts → frozen embeddings, cached with their provenance."""

from cite.anchors.anchors import Anchors
from cite.anchors.embed import embed_texts
from cite.anchors.ensemble import ClassSentences, class_sentences, embed_classes

__all__ = ['Anchors', 'ClassSentences', 'class_sentences', 'embed_classes', 'embed_texts']
