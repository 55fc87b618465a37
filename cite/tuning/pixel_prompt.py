"""Visual prompts in pixels (Bahng et al., 2022): a trained picture that is added to every image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import PIXELS, TUNINGS, Tuning, vision_only

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

KINDS = ('border', 'patch', 'full')
CORNERS = {
    'top left': (False, False),
    'top right': (False, True),
    'bottom left': (True, False),
    'bottom right': (True, True),
}
"""Corner → whether the patch is moved to the end of rows and of columns."""
INITS: dict[str, Callable[[Tensor], Tensor]] = {'zero': nn.init.zeros_, 'normal': nn.init.normal_}


@TUNINGS.register
class PixelPrompt(Tuning):
    """Trained pixels that are added to the normalised image, in front of any backbone.

    Gradients run through the whole frozen tower: it trains as slowly as full fine-tuning, with next to no
    weights.

    Args:
        kind: 'border' (the paper's padding, its best), 'patch' (a square in a corner) or 'full' (the whole
            image).
        width: Of the border, or side of the patch, in pixels of the tower's image size; 30 in the paper, at
            224. 'full' takes no notice of it.
        corner: Where the patch lies: 'top left', 'top right', 'bottom left', 'bottom right'.
        init: 'zero', so that the tower starts as it was, or 'normal' (std 1, the authors').

    The prompt is a parameter of shape (3, prompted pixels), row by row.
    """

    paper = 'Visual prompting: Bahng et al., 2022, arXiv:2203.17274'
    group = 'prompt'

    prompt: nn.Parameter
    places: Tensor

    def __init__(
        self,
        kind: Literal['border', 'patch', 'full'] = 'border',
        width: int = 30,
        corner: str = 'top left',
        init: Literal['zero', 'normal'] = 'zero',
    ) -> None:
        super().__init__()
        for option, value, known in (
            ('kind', kind, KINDS),
            ('corner', corner, CORNERS),
            ('init', init, INITS),
        ):
            if value not in known:
                raise ConfigError(
                    f'PixelPrompt: {option} must be one of {", ".join(known)}, found {value!r}'
                )
        if not isinstance(width, int) or width < 1:
            raise ConfigError(
                f'PixelPrompt: width must be a whole number of pixels, at least 1, found {width!r}'
            )
        self.kind = kind
        self.width = width
        self.corner = corner
        self.init = init

    def attach(self, tower: VisionTower | TextTower) -> None:
        side = self._side(tower)
        places = self._covered(side).flatten().nonzero()[:, 0]
        self.register_buffer('places', places, persistent=False)
        self.prompt = nn.Parameter(INITS[self.init](torch.empty(3, len(places))))

    def _side(self, tower: VisionTower | TextTower) -> int:
        """The tower's image size, if the prompt fits into it."""
        tower = vision_only(self, tower)
        side = tower.image_size
        most = {'border': (side - 1) // 2, 'patch': side, 'full': self.width}[self.kind]
        if self.width > most:
            raise ConfigError(
                f'PixelPrompt: kind={self.kind!r} of width {self.width} does not fit into the images of '
                f'{side} × {side} pixels that {tower.card.name} takes; use a width of at most {most}, or '
                "kind='full'"
            )
        return side

    def _covered(self, side: int) -> Tensor:
        """Which pixels are prompted, bool (side, side)."""
        covered = torch.full((side, side), self.kind != 'patch')
        if self.kind == 'border':
            covered[self.width : side - self.width, self.width : side - self.width] = False
        if self.kind == 'patch':
            down, right = ((side - self.width) * end for end in CORNERS[self.corner])
            covered[down : down + self.width, right : right + self.width] = True
        return covered

    @property
    def first_stage(self) -> int:
        return PIXELS

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """3 × prompted pixels: 4 · width · (side - width) of a border, width² of a patch, side² of all."""
        side = self._side(tower)
        pixels = {
            'border': 4 * self.width * (side - self.width),
            'patch': self.width**2,
            'full': side**2,
        }
        return 3 * pixels[self.kind]

    def before_embed(self, images: Tensor) -> Tensor:
        canvas = torch.zeros_like(images[0]).flatten(1)
        canvas = canvas.index_copy(1, self.places, self.prompt.to(images.dtype))
        return images + canvas.view_as(images[0])

    def extra_repr(self) -> str:
        size = '' if self.kind == 'full' else f', width={self.width}'
        where = f', {self.corner}' if self.kind == 'patch' else ''
        return f'{self.kind}{size}{where}, {self.init}'
