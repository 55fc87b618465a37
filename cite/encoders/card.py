"""What there is to know of one vision model: architecture, preprocessing, feature, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from cite.errors import ConfigError

Feature = Literal['token', 'pool', 'token+mean', 'projection']
Resize = Literal['shortest', 'squash', 'pad']
Interpolation = Literal['bicubic', 'bilinear']
PosInterp = Literal['timm', 'dino', 'mae', 'conch', 'openclip']
Domain = Literal[
    'general', 'pathology', 'biomedical', 'radiology', 'dermatology', 'retina', 'clinical'
]


IMAGENET: Mapping[str, Any] = {
    'mean': (0.485, 0.456, 0.406),
    'std': (0.229, 0.224, 0.225),
}
"""Normalisation of RGB in 0…1 by the statistics of ImageNet."""
HALF: Mapping[str, Any] = {'mean': (0.5, 0.5, 0.5), 'std': (0.5, 0.5, 0.5)}
"""RGB in 0…1 brought to -1…1."""


@dataclass(frozen=True)
class Source:
    """Where weights are published.

    Attributes:
        repo: Repository on the Hugging Face hub; None for files that must be fetched by hand.
        filenames: Names to try, in order; the first that exists is taken.
        revision: Branch, tag or commit.
        how: How to get a file that is on no hub: the page or address, and what it asks for.
        parts: (prefix, file) of weights that are published in several files and make one model; tensors are
            told apart by the prefixes. The folder that holds them stands for the file.
    """

    repo: str | None
    filenames: tuple[str, ...] = ('model.safetensors', 'pytorch_model.bin')
    revision: str = 'main'
    how: str = ''
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Published:
    """What every row of the zoo says of a model, whether it sees or reads.

    Attributes:
        name: The name a config uses.
        licence: Of the weights, as their authors state it.
        citation: Paper, short form.
        source: Hub repository or how to get the file; None for random weights and local models.
        domain: What it learned from.
        gated: Whether terms must be accepted first.
        note: What a user should know.
    """

    name: str
    licence: str
    citation: str
    source: Source | None = None
    domain: Domain = 'general'
    gated: bool = False
    note: str = ''


@dataclass(frozen=True, kw_only=True)
class Card(Published):
    """One vision model, as its authors use it.

    Attributes:
        arch: timm architecture that builds it, or a name that its kind of tower knows.
        tower: Kind of architecture, which says how it is built and taken apart: a name registered in
            `cite/encoders/towers`.
        feature: 'token' is the class token behind the last norm; 'pool' is the architecture's own pooling
            (mean, attention); 'token+mean' is the class token and the mean of the patch tokens, joined;
            'projection' is CLIP's image embedding.
        feature_dim: Length of that feature.
        patch_size: Side of a patch token in pixels; image sizes are multiples of it.
        image_size: Side of the square input in pixels.
        mean, std: Normalisation of RGB in 0…1.
        weights: Local file or folder that the card was made from; None for hub models.
        arch_kwargs: What `timm.create_model` (or the kind of tower) gets besides the name. Layers are
            named: 'mlp_layer': 'SwiGLUPacked'. 'mlp_layer': None builds what the file has.
        interpolation: How images are resized.
        resize: 'shortest' scales the shorter side to `resize_size` and crops the centre;
            'squash' scales both sides to it, then crops; 'pad' makes a square with black margins, and
            scales that to `image_size`.
        resize_size: Side before the centre crop; `image_size` when None.
        pos_interp: How the authors resize position embeddings (see `cite.encoders.pos_embed`).
        mpp: Microns per pixel of the training images; None where it means nothing.
        leftovers: What its files hold besides the tower, as patterns of names ('mask_token', 'head.*'):
            left aside at loading. Anything else that is left over is an error.

    Raises:
        ConfigError: A field holds a value that does not exist or does not fit the others.
    """

    arch: str
    tower: str = 'PlainViT'
    feature: Feature
    feature_dim: int
    patch_size: int
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Path | None = None
    arch_kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    interpolation: Interpolation = 'bicubic'
    resize: Resize = 'shortest'
    resize_size: int | None = None
    pos_interp: PosInterp = 'timm'
    mpp: float | None = None
    leftovers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.resize_size is None:
            object.__setattr__(self, 'resize_size', self.image_size)
        for name, allowed in (
            ('feature', Feature),
            ('resize', Resize),
            ('interpolation', Interpolation),
            ('pos_interp', PosInterp),
            ('domain', Domain),
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
    crops = card.resize == 'squash' and card.resize_size != card.image_size
    if (card.resize == 'shortest' or crops) and card.resize_size is not None:
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
