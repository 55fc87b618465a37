"""The losses of CLIP and SigLIP, for captions that several images may share.

`groups` numbers the texts: rows with the same number have one text, as all patches of a slide have its
caption. They are positives of each other; as negatives they would push an image from its own caption. A
row may have several numbers, of its whole caption and of the part that was drawn, say: rows that agree in
any one are positives.

Under several processes every image meets the texts of all of them, and the other way round. Each process
returns the loss of its own rows; the mean over processes is the loss of the whole batch, in value and, by
DDP's averaging, in gradient (`gather.gather_batch` has the arithmetic). So the call is collective.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cite.contrast.gather import WholeBatch, gather_batch
from cite.errors import ConfigError


def clip_loss(
    images: Tensor, texts: Tensor, scale: Tensor | float, groups: Tensor | None = None
) -> Tensor:
    """Symmetric cross-entropy of Radford et al. (ICML 2021): which text is the image's, and which image
    the text's.

    With groups, the target is spread evenly over all rows of the group. Without repeated texts this is
    open_clip's `ClipLoss` (under several processes with `local_loss` and `gather_with_grad`).

    Args:
        images: (B, D) features of unit norm.
        texts: (B, D), row i the text of image i.
        scale: One number that multiplies the cosines, exp of the trained logarithm.
        groups: (B,) or (B, kinds) whole numbers; None where no two rows share a text.

    Returns:
        One number, in float32 (float64 where the features are), under autocast as well.

    Raises:
        ConfigError: shapes that do not fit together.
        TrainingError: another batch size in another process.
    """
    images, texts, scale = _checked(images, texts, groups, scale)
    with torch.autocast(images.device.type, enabled=False):
        whole = gather_batch(images, texts, _on(images, groups))
        if whole.groups is None:
            target = torch.arange(len(images), device=images.device) + whole.first
        else:
            same = _positives(len(images), whole)
            target = same.to(images.dtype) / same.sum(dim=1, keepdim=True)
        to_text = functional.cross_entropy(scale * images @ whole.texts.T, target)
        to_image = functional.cross_entropy(scale * texts @ whole.images.T, target)
        return (to_text + to_image) / 2


def siglip_loss(
    images: Tensor,
    texts: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    groups: Tensor | None = None,
) -> Tensor:
    """Sigmoid loss of Zhai et al. (ICCV 2023): each pair of an image and a text by itself, do they belong
    together?

    The sum over all pairs, divided by the number of images. Pairs of one group count as belonging
    together. Without repeated texts this is open_clip's `SigLipLoss`.

    Args:
        images: (B, D) features of unit norm.
        texts: (B, D), row i the text of image i.
        scale: One number that multiplies the cosines, exp of the trained logarithm.
        bias: One number added to them; the paper begins with -10, since most pairs do not belong.
        groups: (B,) or (B, kinds) whole numbers; None where no two rows share a text.

    Returns:
        One number, as `clip_loss`.

    Raises:
        ConfigError: shapes that do not fit together.
        TrainingError: another batch size in another process.
    """
    images, texts, scale = _checked(images, texts, groups, scale)
    bias = _number('bias', bias, images)
    with torch.autocast(images.device.type, enabled=False):
        whole = gather_batch(images, texts, _on(images, groups))
        same = _positives(len(images), whole)
        logits = scale * images @ whole.texts.T + bias
        return -functional.logsigmoid(torch.where(same, logits, -logits)).sum() / len(images)


def _positives(own: int, whole: WholeBatch) -> Tensor:
    """(own, W · own) bool: which rows of all processes have the text of an own row."""
    groups = whole.groups
    if groups is None:
        groups = torch.arange(len(whole.texts), device=whole.texts.device)
    numbers = groups.view(len(groups), -1)
    return (numbers[whole.first : whole.first + own, None] == numbers).any(dim=2)


def _checked(
    images: Tensor, texts: Tensor, groups: Tensor | None, scale: Tensor | float
) -> tuple[Tensor, Tensor, Tensor]:
    if images.ndim != 2 or images.shape != texts.shape or not images.numel():
        raise ConfigError(
            'a contrastive loss needs images and texts of one shape (batch, dim), found '
            f'{tuple(images.shape)} and {tuple(texts.shape)}'
        )
    if groups is not None and (
        groups.shape[:1] != images.shape[:1]
        or groups.ndim not in (1, 2)
        or groups.is_floating_point()
        or groups.dtype == torch.bool
    ):
        raise ConfigError(
            f'a contrastive loss needs one whole number per row as groups, ({len(images)},), or several of '
            f'different kinds, ({len(images)}, kinds), found '
            f'{groups.dtype} of {tuple(groups.shape)}'
        )
    dtype = torch.promote_types(torch.promote_types(images.dtype, texts.dtype), torch.float32)
    images, texts = images.to(dtype), texts.to(dtype)
    return images, texts, _number('scale', scale, images)


def _number(name: str, value: Tensor | float, like: Tensor) -> Tensor:
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if value.numel() != 1:
        raise ConfigError(
            f'a contrastive loss takes one number as {name}, found {tuple(value.shape)}'
        )
    return value.reshape(())


def _on(images: Tensor, groups: Tensor | None) -> Tensor | None:
    return None if groups is None else groups.to(images.device, torch.int64)
