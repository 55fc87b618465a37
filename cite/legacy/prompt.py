"""The published visual prompt, with what made it another one after loading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from cite.errors import ConfigError
from cite.tuning.base import EMBED, TUNINGS, vision_only
from cite.tuning.visual_prompt import VisualPrompt

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class OriginalVisualPrompt(VisualPrompt):
    """`VisualPrompt` with three behaviours of the published code.

    - A 'token' prompt does not remember that it was initialised: after loading, the first forward pass
      adds the mean token of its batch once more, so a checkpoint that is tested is not the model that
      was trained.
    - With several processes each one initialises from its own batch, and they stay apart.
    - An 'add' prompt that is longer than the patches is added to none of them.

    Args:
        train_tower: The published `fix=False`: the whole tower trains beside the prompt.
        half: Holds the prompt in float16, as on the published GPUs (see `cite.legacy.half`).
        length, layers, position, init: See `VisualPrompt`.

    An adapter of it holds what training ended with: as a plain `VisualPrompt`, where that is the same.
    """

    def __init__(
        self,
        length: int = 1,
        layers: Literal['shallow', 'deep'] | int | Sequence[int] = 'shallow',
        position: Literal['prepend', 'add'] = 'prepend',
        init: str = 'token',
        train_tower: bool = False,
        half: bool = False,
    ) -> None:
        super().__init__(length, layers, position, init)
        self.train_tower = self.trains_all = train_tower
        self.half_prompt = half

    @property
    def first_stage(self) -> int:
        return EMBED if self.train_tower else super().first_stage

    def attach(self, tower: VisionTower | TextTower) -> None:
        if vision_only(self, tower).stages.windowed:
            raise ConfigError(
                'OriginalVisualPrompt: the published code prompts plain vision transformers, and '
                f"{vision_only(self, tower).card.name} attends within windows. Use 'VisualPrompt'"
            )
        super().attach(tower)
        if self.half_prompt:
            self.prompt = torch.nn.Parameter(self.prompt.detach().half())
        if self.train_tower:
            tower.unfreeze()

    def check_length(self, tower: VisionTower) -> None:
        self._unused = self.position == 'add' and self.length > tower.num_patches

    def after_load(self) -> None:
        self._pending = self.init == 'token'

    @torch.no_grad()
    def start(self, tokens: Tensor) -> None:
        if self._pending:
            self.prompt.data += tokens.float().mean(dim=(0, 1)).to(self.prompt)
            self.initialized.fill_(True)
            self._pending = False

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        if self._unused or self.train_tower:
            return {**spec, 'init': 'normal'}  # so that nothing is added to it when it is loaded
        own = ('train_tower', 'half')
        return {**{k: v for k, v in spec.items() if k not in own}, 'type': 'VisualPrompt'}
