"""Contrastive training on image–caption pairs, as mathematics: losses, large batches, retrieval.

Plain PyTorch. What runs the training lies above this room.
"""

from __future__ import annotations

from cite.contrast.cached import cached_backward
from cite.contrast.gather import average_gradients
from cite.contrast.losses import clip_loss, siglip_loss
from cite.contrast.retrieval import recall_at_k

__all__ = ['average_gradients', 'cached_backward', 'clip_loss', 'recall_at_k', 'siglip_loss']
