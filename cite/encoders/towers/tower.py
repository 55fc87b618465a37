"""One shape for every vision backbone: normalise, then embed → blocks → pool, with a tuning in between.

How a kind of architecture is taken apart is in the other files of this folder (`stages.py`); its modules
keep their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from cite.encoders.card import resize_options
from cite.encoders.speed.checkpointing import checkpointed
from cite.encoders.towers.stages import STAGES, Stages
from cite.encoders.tuned import TunedTower, evaluating
from cite.errors import ModelError
from cite.images.resize import ResizePatch
from cite.inference.batched import outputs_of_images
from cite.tuning.base import BEHIND, EMBED, Tuning

if TYPE_CHECKING:
    from cite.encoders.card import Card
    from cite.images.batches import ImageLike


class VisionTower(TunedTower):
    """A frozen vision backbone with the little that tunes it.

    Args:
        card: What the model's authors do: architecture, normalisation, image size, feature.
        trunk: The architecture, as the card's kind of tower builds it, weights loaded.
        tuning: What trains inside; `NoTuning` by default.
    """

    mean: Tensor
    std: Tensor
    checkpointing: bool = False
    """Whether blocks that need gradients keep their input alone, see `speed.checkpointing`."""

    def __init__(self, card: Card, trunk: nn.Module, tuning: Tuning | None = None) -> None:
        super().__init__()
        self.card = card
        self.trunk = trunk
        self.stages: Stages = STAGES.get(card.tower)(card, trunk)
        self.width = self.stages.width
        self.depth = len(self.stages.blocks)
        self.num_prefix_tokens = self.stages.num_prefix_tokens
        self.num_patches = self.stages.num_patches
        self.image_size = self.stages.image_size
        self.feature_dim: int = card.feature_dim
        self.register_buffer('mean', torch.tensor(card.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(card.std).view(1, 3, 1, 1), persistent=False)
        self.tune(tuning)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """What lies between embedding and pooling, first to last."""
        return self.stages.blocks

    def untouched(self) -> list[nn.Parameter]:
        """A bias that timm adds to CLIP's projection."""
        bias = getattr(getattr(self.trunk, 'head', None), 'bias', None)
        return [bias] if self.card.feature == 'projection' and bias is not None else []

    def embed(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0…1 → tokens; a ViT's are (B, prefix + patches, width)."""
        return self.stages.embed(self.normalise(images))

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens behind the last block → features (B, feature_dim), as the authors take them."""
        return self.stages.pool(tokens)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0…1, of the tower's size → features (B, D)."""
        images = self.normalise(images)
        with self._gradients(EMBED):
            tokens = self.stages.embed(self.tuning.before_embed(images))
        self.tuning.start(tokens)
        features = self._from_block(0, tokens)
        with self._gradients(BEHIND):
            return self.tuning.after_pool(features, images)

    @property
    def frozen_stages(self) -> int:
        """How many blocks lie in front of the first trained weight; the pooling counts as one more.

        What leaves them is the same in every step, and can be kept. 0 where nothing can: pixels, the
        embedding or block 0 train, or the tuning looks at the images behind the pooling.
        """
        first = self.tuning.first_stage
        if self.tuning.reads_images:
            return 0
        return self.depth + 1 if first is None else min(max(first, 0), self.depth)

    @torch.no_grad()
    def prefix(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) → what leaves the frozen stages: tokens, or features (B, D)."""
        stop = self.frozen_stages
        tokens = self.embed(images)
        for index in range(min(stop, self.depth)):
            tokens = self.stages.block(index, tokens)
        return self.pool(tokens) if stop > self.depth else tokens

    def from_prefix(self, kept: Tensor) -> Tensor:
        """What `prefix` gave → features (B, D), the same as from the images."""
        start = self.frozen_stages
        return kept if start > self.depth else self._from_block(start, kept.float())

    def _from_block(self, first: int, tokens: Tensor) -> Tensor:
        for index in range(first, self.depth):
            with self._gradients(index):
                tokens = self.tuning.before_block(index, tokens)
                tokens = self.tuning.run_block(index, tokens, self._run)
        with self._gradients(self.depth):
            return self.pool(self.tuning.after_blocks(tokens))

    def _run(self, index: int, tokens: Tensor) -> Tensor:
        # prompts in windows leave a block by another way than its output
        whole = getattr(self.stages, 'instead', None) is None
        run = self.stages.block
        return (checkpointed(run) if self.checkpointing and whole else run)(index, tokens)

    def _gradients(self, stage: int) -> torch.set_grad_enabled:
        """Nothing is saved for the backward pass in front of the first trained weight."""
        first = self.tuning.first_stage
        return torch.set_grad_enabled(
            torch.is_grad_enabled() and first is not None and first <= stage
        )

    @property
    def resize(self) -> ResizePatch:
        """How an image gets the tower's size, the way the model's authors do it."""
        return ResizePatch(**resize_options(self.card, self.image_size))

    def encode_images(
        self,
        images: Iterable[ImageLike] | ImageLike,
        batch_size: int | Literal['auto'] = 'auto',
        precision: str = 'fp32',
        workers: int | None = None,
    ) -> np.ndarray:
        """Features of images.

        Args:
            images: Paths, PIL images, uint8 arrays H × W × 3, uint8 tensors 3 × H × W; a list or a
                generator of them, or one.
            batch_size: Images computed at once; 'auto': what memory and processor are good for.
            precision: 'fp32', so that numbers hold to the last digits on any hardware; 'bf16', 'fp16' or
                'auto' (what the hardware is fast at) for speed.
            workers: Threads that read while the tower computes; None: one per core; 0: none.

        Returns:
            float32 array (N, feature_dim).

        Raises:
            DataError: An image that is missing, damaged or of another form.
            ConfigError: A batch size, precision or number of workers that there is not.
            ModelError: Memory does not last for one image.
        """
        device = self.mean.device
        with evaluating(self):
            parts = outputs_of_images(
                self, images, self.resize, device, batch_size, precision, workers
            )
            with closing(parts):
                features = list(parts)
        return torch.cat(features).numpy() if features else np.empty((0, self.feature_dim), 'f4')

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0…1 → as the model's authors feed them.

        Raises:
            ModelError: Images of another type or size.
        """
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
