"""Classification heads: features → one logit per class. Plain PyTorch, one file per head."""

from cite.heads.base import HEADS, Head

__all__ = ['HEADS', 'Head']
