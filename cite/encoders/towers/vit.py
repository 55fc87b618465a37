"""One shape for every plain vision transformer: embed → blocks → pool.

timm builds the architecture and its modules keep their names; this class only takes the forward pass
apart into stages, so that prompts, adapters, feature caching and partial training are written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from cite.encoders.card import resize_options
from cite.errors import ModelError
from cite.frozen import digest, freeze, hide_frozen, trainable
from cite.images.batches import image_batches
from cite.images.resize import ResizePatch
from cite.tuning.base import EMBED, NoTuning, Tuning

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

    from cite.encoders.card import Card
    from cite.images.batches import ImageLike


class VisionTower(nn.Module):
    """A frozen vision transformer with the little that tunes it.

    Args:
        card: What the model's authors do: normalisation, image size, feature.
        trunk: A timm `VisionTransformer` (or a model with the same stages), weights loaded.
        tuning: What trains inside; `NoTuning` by default.

    The trunk is frozen and stays in eval mode (dropout, stochastic depth, BatchNorm), except under a
    tuning that trains all of it. State dicts hold the tuning's weights only.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, card: Card, trunk: VisionTransformer, tuning: Tuning | None = None) -> None:
        super().__init__()
        self.card = card
        self.trunk = trunk
        freeze(trunk)
        self.width: int = trunk.embed_dim
        self.depth: int = len(trunk.blocks)
        self.num_prefix_tokens: int = trunk.num_prefix_tokens
        self.num_patches: int = trunk.patch_embed.num_patches
        self.image_size: int = trunk.patch_embed.img_size[0]
        self.feature_dim: int = card.feature_dim
        self.register_buffer('mean', torch.tensor(card.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(card.std).view(1, 3, 1, 1), persistent=False)
        self.tuning = tuning or NoTuning()
        self.tuning.attach(self)
        # weights that are about to train are taken down before; frozen ones can be read at any time
        self._digest = self.frozen_digest() if trainable(trunk) else None
        hide_frozen(self, 'trunk')
        self.train(self.training)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, first to last."""
        return list(self.trunk.blocks)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights that the tower was loaded with; adapters name their base by it."""
        if self._digest is None:
            self._digest = self.frozen_digest()
        return self._digest

    def frozen_digest(self) -> str:
        """SHA-256 of the trunk's own weights as they are now."""
        return digest(self.tuning.own_weights(self.trunk.state_dict().items()))

    def unfreeze(self) -> None:
        """Lets the whole trunk train, but for a bias that timm adds to CLIP's projection."""
        self.trunk.requires_grad_(True)
        if self.card.feature == 'projection' and getattr(self.trunk.head, 'bias', None) is not None:
            self.trunk.head.bias.requires_grad_(False)

    def embed(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0…1 → tokens (B, prefix + patches, width)."""
        trunk = self.trunk
        tokens = trunk.patch_embed(self._normalise(images))
        return trunk.norm_pre(trunk.patch_drop(trunk._pos_embed(tokens)))

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens behind the last block → features (B, feature_dim), as the authors take them."""
        return self.trunk.forward_head(self.trunk.norm(tokens))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0…1, of the tower's size → features (B, D)."""
        first = self.tuning.first_stage
        grad = torch.is_grad_enabled()
        with torch.set_grad_enabled(grad and first == EMBED):
            tokens = self.embed(images)
        self.tuning.start(tokens)
        for index, block in enumerate(self.trunk.blocks):
            # nothing is saved for the backward pass in front of the first trained weight
            with torch.set_grad_enabled(grad and first is not None and index >= first):
                tokens = block(self.tuning.before_block(index, tokens))
        with torch.set_grad_enabled(grad and first is not None):
            return self.pool(self.tuning.after_blocks(tokens))

    @property
    def resize(self) -> ResizePatch:
        """How an image gets the tower's size, the way the model's authors do it."""
        return ResizePatch(**resize_options(self.card, self.image_size))

    @torch.inference_mode()
    def encode_images(
        self, images: Iterable[ImageLike] | ImageLike, batch_size: int = 64
    ) -> np.ndarray:
        """Features of images.

        Args:
            images: Paths, PIL images, uint8 arrays H × W × 3, uint8 tensors 3 × H × W; a list or a
                generator of them, or one.
            batch_size: Images computed at once.

        Returns:
            float32 array (N, feature_dim).

        Raises:
            DataError: An image that is missing, damaged or of another form.
        """
        was_training = self.training
        self.eval()
        device = self.mean.device
        try:
            features = [
                self(batch.to(device)).float().cpu()
                for batch in image_batches(images, self.resize, batch_size)
            ]
        finally:
            self.train(was_training)
        return torch.cat(features).numpy() if features else np.empty((0, self.feature_dim), 'f4')

    def train(self, mode: bool = True) -> VisionTower:
        """Training mode for the tuning; the trunk follows as far as the tuning lets it."""
        super().train(mode)
        self.tuning.set_mode(self.trunk, mode)
        return self

    def _normalise(self, images: Tensor) -> Tensor:
        size = self.image_size
        whole = images.dtype == torch.uint8
        if images.ndim != 4 or images.shape[1] != 3 or not (whole or images.is_floating_point()):
            raise ModelError(
                f'{self.card.name} takes images (B, 3, H, W), uint8 or float in 0…1; found '
                f'{images.dtype} {tuple(images.shape)}'
            )
        if images.shape[-2:] != (size, size):
            raise ModelError(
                f'{self.card.name} takes images of {size} × {size} pixels, found '
                f'{images.shape[-1]} × {images.shape[-2]}. Resize them (`encode_images` and the '
                f'configs do it), or load the model with image_size={images.shape[-1]}'
            )
        scaled = images.float() / 255 if whole else images
        return (scaled - self.mean) / self.std
