"""What there is to know of one vision model: architecture, preprocessing, feature, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from cite.errors import ConfigError

Feature = Literal['token', 'pool', 'projection']
Resize = Literal['shortest', 'squash']
Interpolation = Literal['bicubic', 'bilinear']
PosInterp = Literal['timm', 'dino', 'mae']


@dataclass(frozen=True)
class Source:
    """Where weights are published.

    Attributes:
        repo: Repository on the Hugging Face hub.
        filenames: Names to try, in order; the first that exists is taken.
        revision: Branch, tag or commit.
    """

    repo: str
    filenames: tuple[str, ...] = ('model.safetensors', 'pytorch_model.bin')
    revision: str = 'main'


@dataclass(frozen=True)
class Card:
    """One vision model, as its authors use it.

    Attributes:
        name: The name a config uses.
        arch: timm architecture that builds it.
        feature: 'token' is the class token behind the last norm; 'pool' is timm's own pooling of the
            tokens (mean, attention); 'projection' is CLIP's image embedding.
        feature_dim: Length of that feature.
        patch_size: Side of a patch token in pixels.
        image_size: Side of the square input in pixels.
        mean, std: Normalisation of RGB in 0…1.
        licence: Of the weights, as their authors state it.
        citation: Paper, short form.
        source: Hub repository; None for random weights and for local models.
        weights: Local file or folder that the card was made from; None for hub models.
        arch_kwargs: What `timm.create_model` gets besides the name.
        interpolation: How images are resized.
        resize: 'shortest' scales the shorter side to `resize_size` and crops the centre;
            'squash' scales both sides to it, then crops.
        resize_size: Side before the centre crop; `image_size` when None.
        pos_interp: How the authors resize position embeddings (see `cite.encoders.pos_embed`).
        gated: Whether the hub asks to accept terms first.
        mpp: Microns per pixel of the training images; None where it means nothing.
        note: What a user should know.

    Raises:
        ConfigError: A field holds a value that does not exist or does not fit the others.
    """

    name: str
    arch: str
    feature: Feature
    feature_dim: int
    patch_size: int
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    citation: str
    source: Source | None = None
    weights: Path | None = None
    arch_kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    interpolation: Interpolation = 'bicubic'
    resize: Resize = 'shortest'
    resize_size: int | None = None
    pos_interp: PosInterp = 'timm'
    gated: bool = False
    mpp: float | None = None
    note: str = ''

    def __post_init__(self) -> None:
        if self.resize_size is None:
            object.__setattr__(self, 'resize_size', self.image_size)
        for name, allowed in (
            ('feature', Feature),
            ('resize', Resize),
            ('interpolation', Interpolation),
            ('pos_interp', PosInterp),
        ):
            value = getattr(self, name)
            if value not in get_args(allowed):
                raise ConfigError(
                    f'model {self.name!r}: {name} must be one of {list(get_args(allowed))}, '
                    f'found {value!r}'
                )
        if self.resize_size is not None and self.resize_size < self.image_size:
            raise ConfigError(
                f'model {self.name!r}: images are resized to {self.resize_size} pixels, less than '
                f'the crop of {self.image_size}'
            )


def resize_options(card: Card, image_size: int) -> dict[str, Any]:
    """Options of `cite.images.ResizePatch` for a tower of that card, run at `image_size` pixels.

    Where the tower runs at another size than its card's, the margin that is cropped stays in
    proportion.
    """
    options: dict[str, Any] = {
        'size': image_size,
        'interpolation': card.interpolation,
        'how': card.resize,
    }
    if card.resize == 'shortest' and card.resize_size is not None:
        options['resize'] = round(card.resize_size * image_size / card.image_size)
    return options


def preprocessing(card: Card, image_size: int) -> dict[str, Any]:
    """What decides the pixels that a tower sees, as plain values: the record that adapters keep."""
    return {
        'mean': list(card.mean),
        'std': list(card.std),
        'image_size': image_size,
        'interpolation': card.interpolation,
        'resize': card.resize,
        'resize_size': card.resize_size,
    }
