"""What timm builds under a name: kind of tower, feature and sizes, read off a model without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cite.encoders.card import Feature
from cite.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

# module of timm → kind of tower; any other is not taken apart
_KINDS = {
    'vision_transformer': 'PlainViT',
    'deit': 'PlainViT',
    'swin_transformer': 'Swin',
    'resnet': 'ConvNet',
    'res2net': 'ConvNet',
    'resnest': 'ConvNet',
    'sknet': 'ConvNet',
    'resnetv2': 'ConvNet',
    'densenet': 'ConvNet',
}
_PROJECTING = ('PlainViT', 'AnyModel')
# What lies in the files of vision transformers beside them: classifiers and the heads of pretraining. A
# norm behind pooling ('fc_norm') is none of it: without it the feature would be another.
_BESIDE_VITS = (
    'mask_token',
    'head.*',
    'fc.*',
    'pooler.*',
    'decoder*',
    'dino_head.*',
    'ibot_head.*',
)
_CLASSES = 1000  # any number: names of a classifier's weights do not depend on it


@dataclass(frozen=True)
class Outline:
    """Fields of a `Card` that the architecture decides."""

    tower: str
    feature: Feature
    feature_dim: int
    patch_size: int
    arch_kwargs: dict[str, Any]
    leftovers: tuple[str, ...]


def outline(
    name: str, arch: str, model_args: Mapping[str, Any], image_size: int, projection: int = 0
) -> Outline:
    """Builds a timm model without memory for its weights, and asks it.

    Args:
        name: The model in messages.
        arch: timm's architecture, without a tag.
        model_args: What `timm.create_model` gets besides its name.
        image_size: Side of the square input in pixels.
        projection: Length of a CLIP's image embedding; 0 for other models.

    Raises:
        ModelError: timm has no such architecture, or cannot build or run it that way.
    """
    import timm

    if not timm.is_model(arch):
        raise ModelError(f'{name}: timm {timm.__version__} has no architecture {arch!r}')
    tower = _KINDS.get(timm.model_entrypoint(arch).__module__.rpartition('.')[2], 'AnyModel')
    kwargs: dict[str, Any] = {'img_size': image_size, **model_args, 'num_classes': projection}
    try:
        trunk, kwargs = _build(arch, kwargs)
        if tower == 'PlainViT' and type(trunk) is not timm.models.VisionTransformer:
            tower = 'AnyModel'  # a subclass embeds or pools in its own way
        if projection and tower not in _PROJECTING:
            projection, kwargs['num_classes'] = 0, 0
            trunk, kwargs = _build(arch, kwargs)
        dim = projection or _feature_dim(trunk, image_size)
        full, _ = _build(arch, {**kwargs, 'num_classes': _CLASSES})
    except Exception as error:  # architectures fail in their own ways: divisions, reshapes, asserts
        raise ModelError(f'timm cannot build {arch!r} for {name}: {error}') from error
    classifier = sorted(full.state_dict().keys() - trunk.state_dict().keys())
    return Outline(
        tower=tower,
        feature='projection' if projection else _feature(tower, trunk),
        feature_dim=dim,
        patch_size=_patch_size(trunk, image_size),
        arch_kwargs=kwargs,
        leftovers=_BESIDE_VITS if tower == 'PlainViT' else tuple(classifier),
    )


def _build(arch: str, kwargs: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """The model on the meta device, and the arguments that it took: some are of no one size."""
    import timm
    import torch

    with torch.device('meta'):
        try:
            return timm.create_model(arch, pretrained=False, **kwargs).eval(), kwargs
        except TypeError as error:
            if 'img_size' not in str(error):
                raise
        kwargs = {key: value for key, value in kwargs.items() if key != 'img_size'}
        return timm.create_model(arch, pretrained=False, **kwargs).eval(), kwargs


def _feature_dim(trunk: nn.Module, image_size: int) -> int:
    import torch

    from cite.encoders.towers.any_model import features

    with torch.no_grad():
        made = features(trunk, torch.empty(1, 3, image_size, image_size, device='meta'))
    if made.ndim != 2:
        raise ValueError(f'its feature has the shape {tuple(made.shape)}, expected (B, D)')
    return made.shape[1]


def _feature(tower: str, trunk: Any) -> Feature:
    return 'token' if tower == 'PlainViT' and trunk.global_pool == 'token' else 'pool'


def _patch_size(trunk: Any, image_size: int) -> int:
    """What image sizes are multiples of: a patch, or what one place of the last map stands for."""
    patch = getattr(getattr(trunk, 'patch_embed', None), 'patch_size', None)
    info = getattr(trunk, 'feature_info', None)
    sides = [entry['reduction'] for entry in info or ()]
    if isinstance(patch, tuple):
        sides.append(patch[0])
    # a few models overlap their patches, and their own size is no multiple
    return next((int(side) for side in sorted(sides, reverse=True) if image_size % side == 0), 1)
