"""The model that mmengine trains on pairs: `cite.encoders.pair.Pair` with a contrastive loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

from cite.contrast import average_gradients, cached_backward, clip_loss, siglip_loss
from cite.contrast.gather import world_size
from cite.encoders.pair import build_pair
from cite.encoders.text.tower import TextTower
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.mm.contrast.sample import PairSample
from cite.mm.contrast.scale import published_scale
from cite.mm.finite import check_finite
from cite.precision import autocast, settle_precision

SCALES: dict[str, tuple[float, float | None]] = {'clip': (1 / 0.07, None), 'siglip': (10.0, -10.0)}
"""Loss → first scale and bias, as in its paper."""


@MODELS.register_module()
class CitePair(BaseModel):
    """A vision tower and a text tower that learn to agree on pairs.

    Which side trains, and how, is its tuning's business: `FullFineTuning`, `LoRA`, `VisualPrompt`,
    `TextPrompt`; 'NoTuning' locks it (locked-image tuning: Zhai et al., LiT, CVPR 2022).

    Args:
        vision: Vision tower: `dict(model='clip-vit-b16', tuning=dict(type='LoRA', r=8))`.
        text: Text tower: `dict(model='biolinkbert-base', tuning='NoTuning')`; in a config, the other half
            of the pair that `vision` belongs to unless a model is named.
        dim: Length of the common space, reached by trained projections; None compares the towers' own
            features.
        loss: 'clip' (Radford et al., 2021) or 'siglip' (Zhai et al., 2023).
        scale, bias: First values; default: those of the loss's paper. A published pair goes on from the
            scale that it has by `scale='own'` (100 for OpenAI's CLIP).
        chunk: Pairs computed at a time; the batch is then as large in effect as it is, and its memory
            that of a chunk (gradient caching). None: the whole batch at once.
        truncate: Cut captions that are too long for the text tower; they are refused otherwise.
        precision: 'auto', 'fp32', 'bf16' or 'fp16', of both towers. Features and loss are float32.
    """

    def __init__(
        self,
        vision: Mapping[str, Any],
        text: Mapping[str, Any],
        dim: int | None = None,
        loss: Literal['clip', 'siglip'] = 'clip',
        scale: float | Literal['own'] | None = None,
        bias: float | None = None,
        chunk: int | None = None,
        truncate: bool = False,
        precision: str = 'auto',
        data_preprocessor: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        if loss not in SCALES:
            raise ConfigError(f'loss must be one of {", ".join(SCALES)}, found {loss!r}')
        if loss == 'clip' and bias is not None:
            raise ConfigError("a bias belongs to loss='siglip': CLIP's loss does not see it")
        if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
            raise ConfigError(f'chunk must be a whole number of at least 1, found {chunk!r}')
        if scale == 'own':
            scale = published_scale(vision, text)
        elif isinstance(scale, str):
            raise ConfigError(f"scale must be a number above 0 or 'own', found {scale!r}")
        usual, usual_bias = SCALES[loss]
        self.pair = build_pair(
            vision,
            text,
            dim,
            usual if scale is None else scale,
            usual_bias if bias is None else bias,
        )
        self._refuse_batch_norm(chunk is not None)
        self.loss_name = loss
        self.chunk = chunk
        self.truncate = truncate
        self.precision = precision

    def _refuse_batch_norm(self, chunked: bool) -> None:
        """Statistics of a chunk, or of one process's rows, are not those of the batch.

        Raises:
            ConfigError: A tower with batch normalisation trains whole, by chunks or in several processes.
        """
        towers: dict[str, VisionTower | TextTower] = {
            'vision': self.pair.vision,
            'text': self.pair.text,
        }
        normed = [
            side
            for side, tower in towers.items()
            if tower.tuning.trains_all
            and any(isinstance(module, _BatchNorm) for module in tower.trunk.modules())
        ]
        if normed and (chunked or world_size() > 1):
            raise ConfigError(
                f'the {normed[0]} tower has batch normalisation and trains whole: that takes one process '
                'and chunk=None. Tune it in another way, such as LoRA, or take a tower without'
            )

    def init_weights(self) -> None:
        """Nothing: every part was initialised or loaded when it was built."""

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[PairSample] | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | list[PairSample]:
        """Images and captions → 'tensor': image features; 'loss': losses; 'predict': samples with both
        features."""
        if mode == 'tensor':
            return self._images(inputs)
        assert data_samples is not None, f'mode {mode!r} needs data samples'
        tokens = self._tokens(data_samples)
        images, texts = self._images(inputs), self._texts(tokens)
        if mode == 'loss':
            return {'loss': self._loss(images, texts, data_samples)}
        for sample, image, text in zip(data_samples, images, texts, strict=True):
            sample.image, sample.text = image, text
        return list(data_samples)

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """One step, by chunks where `chunk` is set.

        Processes exchange features in the loss and gradients here, so the model needs no
        `DistributedDataParallel`, which could not average the gradients of two passes.
        """
        data = self.data_preprocessor(data, True)
        images, samples = data['inputs'], data['data_samples']
        found: list[Tensor] = []

        def loss_of(image_features: Tensor, text_features: Tensor) -> Tensor:
            found.append(self._loss(image_features, text_features, samples))
            return found[-1]

        optim_wrapper.update_by(lambda scaled: self._backward(images, samples, loss_of, scaled))
        self.pair.limit_scale()
        _, values = self.parse_losses({'loss': found[-1].detach()})
        values['scale'] = self.pair.scale.detach()
        return values

    def _backward(
        self,
        images: Tensor,
        samples: Sequence[PairSample],
        loss_of: Callable[[Tensor, Tensor], Tensor],
        scaled: Callable[[Tensor], Tensor],
    ) -> None:
        tokens = self._tokens(samples)
        if self.chunk is not None and self.chunk < len(images):
            cached_backward(
                self._images,
                self._texts,
                images,
                tokens,
                lambda i, t: scaled(loss_of(i, t)),
                self.chunk,
                [self],
            )
            return
        scaled(loss_of(self._images(images), self._texts(tokens))).backward()
        average_gradients(self.parameters())

    def _images(self, images: Tensor) -> Tensor:
        with autocast(settle_precision(self.precision, images.device), images.device):
            return self.pair.image_features(images)

    def _texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        device = tokens['input_ids'].device
        with autocast(settle_precision(self.precision, device), device):
            return self.pair.text_features(tokens)

    def _tokens(self, samples: Sequence[PairSample]) -> dict[str, Tensor]:
        return self._tokenised([sample.caption for sample in samples])

    def check_captions(self, captions: Iterable[str]) -> None:
        """Refuses what the text tower will not take before training begins, not once it is drawn.

        Raises:
            ConfigError: A caption that is too long, unless `truncate` is set.
        """
        once = sorted(set(captions))
        for start in tqdm(range(0, len(once), 1000), 'captions', unit='thousand', delay=2):
            self._tokenised(once[start : start + 1000])

    def _tokenised(self, captions: Sequence[str]) -> dict[str, Tensor]:
        try:
            return self.pair.text.tokenize(captions, self.truncate)
        except ConfigError as error:  # anchors of classes are never cut, captions may be
            raise ConfigError(f'{error}; model.truncate=True cuts captions') from error

    def _loss(self, images: Tensor, texts: Tensor, samples: Sequence[PairSample]) -> Tensor:
        numbers = [(sample.group, sample.drawn) for sample in samples]
        groups = torch.tensor(numbers, device=images.device)
        if self.loss_name == 'clip':
            loss = clip_loss(images, texts, self.pair.scale, groups)
        else:
            assert self.pair.bias is not None
            loss = siglip_loss(images, texts, self.pair.scale, self.pair.bias, groups)
        check_finite(loss, samples)
        return loss
