"""The score of each patch token, as if it were the image: CLIP's dense score maps, and CAM.

Zhou et al., 'Extract free dense labels from CLIP' (ECCV 2022), section 3, for text heads on transformers.
Where the feature is the mean over places and the head is linear, this is the class activation map of
Zhou et al., 'Learning deep features for discriminative localization' (CVPR 2016), eq. 2, and the mean of
the map is the image's logit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cite.attribution.methods.base import METHODS, Grids, Method
from cite.attribution.passes import as_maps, check_blocks, each_patch, entering
from cite.attribution.subject import Subject, against_others


@METHODS.register
class Scores(Method):
    """Patch → the tower's pooling, neck and head → cosine to the class's text, or its logit."""

    name = 'scores'
    paper = 'CAM: Zhou et al., CVPR 2016; MaskCLIP: Zhou et al., ECCV 2022'

    @torch.no_grad()
    def __call__(
        self, subject: Subject, images: Tensor, classes: Sequence[int], contrast: bool
    ) -> Grids:
        tower = subject.tower
        check_blocks(tower, self.name)
        normalised = tower.normalise(images)
        tokens = entering(tower, normalised, tower.depth)
        rows, columns = as_maps(tower, tokens).shape[-2:]
        scores = subject.logits(each_patch(tower, tokens, normalised)) / subject.scale
        if contrast:
            scores = against_others(scores)
        grids = scores.T[list(classes)].unflatten(1, (rows, columns))
        unit = 'cosine' if subject.by_cosine else 'logit'
        return Grids(grids, contrast, unit, [{} for _ in classes])
