"""Grad-CAM (Selvaraju et al., ICCV 2017, eq. 1 and 2), by captum, on a tower's last maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cite.attribution.methods.base import METHODS, Grids, Method, import_captum
from cite.attribution.passes import as_maps, check_blocks, entering, onwards, with_maps
from cite.attribution.subject import Subject, against_others
from cite.encoders.towers.vit import PlainViT
from cite.errors import ModelError


@METHODS.register
class GradCAM(Method):
    """ReLU of the channels' sum, each weighed by the mean gradient of the class's logit.

    Of a transformer, channels are those of the patch tokens that enter its last block: behind it, a class
    token hears of patches no more, and their gradients are zero. Of convolutional networks and Swin, they
    are those of the last map.
    """

    name = 'gradcam'
    paper = 'Grad-CAM: Selvaraju et al., ICCV 2017'

    def __call__(
        self, subject: Subject, images: Tensor, classes: Sequence[int], contrast: bool
    ) -> Grids:
        tower = subject.tower
        check_blocks(tower, self.name)
        captum = import_captum(self.name)
        stop = tower.depth - isinstance(tower.stages, PlainViT)
        rest = _Rest(subject, images, stop, contrast)
        cam = captum.LayerGradCam(rest, rest.seen)
        found, about = [], []
        for label in classes:
            try:
                grid = cam.attribute(rest.start, target=label, relu_attributions=True)
            except RuntimeError as error:
                raise ModelError(
                    f'{type(subject.classifier.head).__name__} on {tower.card.name} has no gradients '
                    f"({str(error).splitlines()[0]}); use 'scores'"
                ) from error
            found.append(grid.detach()[0, 0])
            about.append({} if bool(grid.any()) else {'empty': 'nothing speaks for the class'})
        return Grids(torch.stack(found), False, 'Grad-CAM', about)


class _Rest(nn.Module):
    """Maps → logits; the tower is a guest, so that nothing is hooked into it.

    Attributes:
        start: Maps (1, channels, R, C) that the last part of the tower takes.
        seen: The layer that captum looks at; it passes them on.
    """

    def __init__(self, subject: Subject, images: Tensor, stop: int, contrast: bool) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self._subject, self._stop, self._contrast = subject, stop, contrast
        with torch.no_grad():
            self._images = subject.tower.normalise(images)
            self._tokens = entering(subject.tower, self._images, stop)
            self.start = as_maps(subject.tower, self._tokens).detach().clone().requires_grad_()

    def forward(self, maps: Tensor) -> Tensor:
        tower = self._subject.tower
        tokens = with_maps(tower, self._tokens, self.seen(maps))
        logits = self._subject.logits(onwards(tower, tokens, self._stop, self._images))
        return against_others(logits) if self._contrast else logits
