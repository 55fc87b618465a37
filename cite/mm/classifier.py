"""The model that mmengine trains: `cite.classifier.Classifier` with losses and data samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from cite.classifier import assemble
from cite.encoders.speed import StepOptions
from cite.inference.batch_size import BatchSize
from cite.inference.batched import parts
from cite.mm.finite import check_finite
from cite.mm.sample import PatchBatch, PatchSample, labels_of
from cite.precision import autocast, settle_precision


@MODELS.register_module()
class CiteClassifier(BaseModel):
    """A frozen vision tower, what tunes it, a neck and a head.

    Args:
        backbone: `dict(type='VisionTower', model=…, tuning=…)`.
        head: `dict(type='TextEmbeddingHead' | 'LinearHead' | …)`.
        neck: `dict(type='ProjectionNeck')`, or None.
        classes: Class names; filled in from the data set's.
        precision: 'auto', 'fp32', 'bf16' or 'fp16', of the frozen part, in training and testing.
        compile: Whether blocks are compiled: False, True, 'auto' or 'cudagraphs', see
            `encoders.speed.compiled`.
        checkpointing: Whether blocks are computed again in the backward pass, so that their activations
            take no memory.
        channels_last: Whether convolutions of a convolutional tower have channels last in memory: True,
            False, or 'auto', where it is faster.

    The last three act once `prepare` is called, as a run does; results are the same but for rounding.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        head: Mapping[str, Any],
        neck: Mapping[str, Any] | None = None,
        classes: Sequence[str] = (),
        precision: str = 'auto',
        data_preprocessor: Mapping[str, Any] | None = None,
        compile: bool | str = False,
        checkpointing: bool = False,
        channels_last: bool | str = 'auto',
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        assembled = assemble(backbone, neck, head, classes)
        self.backbone = assembled.backbone
        self.neck = assembled.neck
        self.head = assembled.head
        self.classes = assembled.classes
        self.precision = precision
        self.options = StepOptions(compile, checkpointing, channels_last)
        self._size: BatchSize | None = None  # of evaluated batches, once one was too large

    def prepare(self, device: str, hold: bool = True) -> None:
        """Makes steps faster or smaller, once, before the optimiser is made; afterwards the tower computes
        in the model's precision alone.

        Args:
            device: 'cuda' or 'cpu', where it will compute.
            hold: Whether frozen matrices are held in that precision.

        Raises:
            ConfigError: An option that there is not, or not on that device.
        """
        precision = settle_precision(self.precision, device)
        self.options.apply(self.backbone, device, precision, hold)

    def init_weights(self) -> None:
        """Nothing: every part was initialised or loaded when it was built.

        mmengine would otherwise call `init_weights` of every child, and timm's would re-initialise the
        pretrained tower.
        """

    def forward(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[PatchSample] | PatchBatch | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | list[PatchSample]:
        """Images → 'tensor': logits; 'loss': losses; 'predict': samples with scores.

        Args:
            inputs: Images (B, 3, H, W), or `{'prefix': …}` with what the tower's `prefix` made of them.
        """
        self.options.start()
        if mode == 'tensor':
            return self._logits(inputs)
        assert data_samples is not None, f'mode {mode!r} needs data samples'
        if mode == 'loss':
            return self._loss(self._logits(inputs), data_samples)
        return self._predict(self._logits_in_parts(inputs), data_samples)

    def features(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Images, or their prefix → what the head is given, (B, D), in the precision of the model."""
        with self.autocast():
            if isinstance(inputs, Mapping):
                features = self.backbone.from_prefix(inputs['prefix'])
            else:
                features = self.backbone(inputs)
            return features if self.neck is None else self.neck(features)

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which the frozen part computes in the model's precision."""
        device = self.backbone.mean.device
        return autocast(settle_precision(self.precision, device), device)

    def _logits(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensor:
        features = self.features(inputs)
        with self.autocast():
            return self.head(features)

    def _logits_in_parts(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensor:
        """In as many parts as memory asks for; a spread tower is run by all processes alike, in one."""
        spread = any(hasattr(weight, 'to_local') for weight in self.backbone.trunk.parameters())
        if isinstance(inputs, Mapping) or spread:
            return self._logits(inputs)
        self._size = self._size or BatchSize(len(inputs), inputs.device)
        return torch.cat(list(parts(self._logits, inputs, self._size)))

    def _loss(
        self, logits: Tensor, samples: Sequence[PatchSample] | PatchBatch
    ) -> dict[str, Tensor]:
        labels = labels_of(samples).to(logits.device)
        loss = F.cross_entropy(logits, labels)
        check_finite(loss, samples)
        accuracy = (logits.argmax(1) == labels).float().mean()
        return {'loss': loss, 'accuracy': accuracy}

    def _predict(
        self, logits: Tensor, samples: Sequence[PatchSample] | PatchBatch
    ) -> list[PatchSample]:
        predicted = list(samples)
        for sample, score in zip(predicted, logits.softmax(1), strict=True):
            sample.pred_score = score
            sample.pred_label = score.argmax(keepdim=True)
        return predicted
