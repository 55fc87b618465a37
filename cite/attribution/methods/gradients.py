"""Integrated gradients (Sundararajan et al., ICML 2017, eq. 1), by captum, from a white patch on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cite.attribution.methods.base import METHODS, Grids, Method, import_captum
from cite.attribution.passes import entering, onwards
from cite.attribution.subject import Subject, against_others
from cite.errors import ModelError

STEPS = (32, 96, 192)
"""Tried one after the other, until the sum is right."""
TOLERANCE = 0.05
"""Of the sum, by the difference of the logits, or by 1 where that is larger."""
AT_ONCE = 8
"""Images between white and the patch that are computed together: they bound the memory."""


@METHODS.register
class Gradients(Method):
    """How much of the class's logit, beyond that of bare glass, comes with the pixels of each cell.

    The baseline is white: a patch without tissue. What the pixels of a cell get is added up, so that the
    sum over the map is the logit of the patch minus that of the white one, but for the error of the
    integral, which `about` tells. Steps are added where that is large; where it stays so, `about` has
    'inexact'.
    """

    name = 'gradients'
    paper = 'Integrated gradients: Sundararajan et al., ICML 2017'

    def __call__(
        self, subject: Subject, images: Tensor, classes: Sequence[int], contrast: bool
    ) -> Grids:
        captum = import_captum(self.name)
        tower = subject.tower

        def logits(pixels: Tensor) -> Tensor:
            normalised = tower.normalise(pixels)
            tokens = entering(tower, normalised, tower.depth)
            found = subject.logits(onwards(tower, tokens, tower.depth, normalised))
            return against_others(found) if contrast else found

        white = torch.ones_like(images)
        with torch.no_grad():
            here, there = logits(images)[0], logits(white)[0]
        integrated = captum.IntegratedGradients(logits)
        grids, about = [], []
        for label in classes:
            difference = float(here[label] - there[label])
            for steps in STEPS:
                try:
                    pixels = integrated.attribute(
                        images, white, target=label, n_steps=steps, internal_batch_size=AT_ONCE
                    )
                except RuntimeError as error:
                    raise ModelError(
                        f'{type(subject.classifier.head).__name__} on {tower.card.name} has no gradients '
                        f"({str(error).splitlines()[0]}); use 'scores'"
                    ) from error
                told = _about(difference, float(pixels.sum()), steps)
                if 'inexact' not in told:
                    break
            grids.append(_cells(pixels.detach().sum(1)[0].float(), tower.card.patch_size))
            about.append(told)
        return Grids(torch.stack(grids), True, 'logit', about)


def _about(difference: float, total: float, steps: int) -> dict[str, Any]:
    error = total - difference
    told = {'baseline': 'white', 'steps': steps, 'difference': difference, 'error': error}
    exact = abs(error) <= TOLERANCE * max(abs(difference), 1.0)
    return told if exact else {**told, 'inexact': True}


def _cells(pixels: Tensor, patch_size: int) -> Tensor:
    """(S, S) → sums over cells of the tower's patch size."""
    side = len(pixels)
    count = max(1, side // patch_size)
    cell = one_hot(torch.arange(side, device=pixels.device) * count // side, count).to(pixels)
    return cell.T @ pixels @ cell
