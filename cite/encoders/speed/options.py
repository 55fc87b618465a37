"""How a tower is made ready for many steps on one device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cite.encoders.speed.compiled import compile_blocks, compile_mode
from cite.encoders.speed.layout import channels_last, channels_last_pays
from cite.encoders.speed.quick_gelu import swap_quick_gelu
from cite.errors import ConfigError
from cite.precision import PRECISIONS

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower


@dataclass(frozen=True)
class StepOptions:
    """See `cite.mm.classifier.CiteClassifier`."""

    compile: bool | str = False
    checkpointing: bool = False
    channels_last: bool | str = 'auto'

    def check(self, device: str) -> None:
        """Raise ConfigError where an option is none that there is on that device."""
        compile_mode(self.compile, device)
        if not isinstance(self.checkpointing, bool):
            raise ConfigError(
                f'model.checkpointing must be True or False, found {self.checkpointing!r}'
            )
        if self.channels_last not in (True, False, 'auto'):
            raise ConfigError(
                f"model.channels_last must be True, False or 'auto', found {self.channels_last!r}"
            )

    def apply(self, tower: VisionTower, device: str, precision: str, hold: bool = True) -> None:
        """Changes the tower in place.

        Args:
            device: 'cuda' or 'cpu'.
            precision: A settled one, in which it computes from then on.
            hold: Whether frozen matrices are held in it.
        """
        self.check(device)
        dtype = PRECISIONS[precision]
        if hold and dtype is not None:
            tower.hold_frozen(dtype)
        if dtype is not None:  # in fp32 the last bit stays as it is
            swap_quick_gelu(tower.trunk)
        wanted = self.channels_last
        if channels_last_pays(tower.stages, device, precision) if wanted == 'auto' else wanted:
            channels_last(tower.trunk)
        tower.checkpointing = self.checkpointing
        mode = compile_mode(self.compile, device)
        if mode is not None and tower.blocks:
            compile_blocks(tower.blocks, mode)

    def start(self) -> None:
        """To be called in front of each forward pass: CUDA graphs may overwrite what the last one gave."""
        if self.compile == 'cudagraphs':
            torch.compiler.cudagraph_mark_step_begin()
