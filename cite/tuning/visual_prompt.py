"""Visual prompt tuning (Jia et al., ECCV 2022): trained tokens beside, or added to, the patch tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS, Tuning, vision_only
from cite.tuning.blocks import block_numbers

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

INITS: dict[str, Callable[[Tensor], Tensor]] = {
    'normal': lambda prompt: nn.init.normal_(prompt, std=0.02),
    'uniform': lambda prompt: nn.init.uniform_(prompt, -0.08, 0.08),
    'zero': nn.init.zeros_,
    'kaiming': nn.init.kaiming_normal_,
    'token': nn.init.zeros_,  # and the mean token of the first batch, in `start`
}


@TUNINGS.register
class VisualPrompt(Tuning):
    """Trained prompt tokens in front of chosen blocks.

    Args:
        length: Prompt tokens per layer.
        layers: 'shallow' (in front of block 0), 'deep' (in front of every block), or block numbers in
            any order. A prompt that enters at one block runs through the blocks behind it, until the
            next listed block replaces it.
        position: 'prepend' puts the tokens behind all prefix tokens (CLS, registers) and in front of
            the patches, where they have no positional embedding. 'add' adds them to the patch tokens,
            repeated in turn over the patches; the patches left over at the end get nothing.
        init: 'normal' (std 0.02), 'uniform' (±0.08), 'zero', 'kaiming', or 'token': the mean of all
            embedded tokens of the first batch that the tower sees. It is taken once in a prompt's
            life; that it has been taken is saved with it.

    The prompt is a parameter of shape (number of layers, length, width).
    """

    paper = 'VPT: Jia et al., ECCV 2022'
    group = 'prompt'

    prompt: nn.Parameter
    initialized: Tensor

    def __init__(
        self,
        length: int = 1,
        layers: Literal['shallow', 'deep'] | int | Sequence[int] = 'shallow',
        position: Literal['prepend', 'add'] = 'prepend',
        init: str = 'token',
    ) -> None:
        super().__init__()
        if not isinstance(length, int) or length < 1:
            raise ConfigError(
                f'VisualPrompt: length must be a whole number of at least 1, found {length!r}'
            )
        if position not in ('prepend', 'add'):
            raise ConfigError(
                f"VisualPrompt: position must be 'prepend' or 'add', found {position!r}"
            )
        if init not in INITS:
            raise ConfigError(
                f'VisualPrompt: init must be one of {", ".join(INITS)}, found {init!r}'
            )
        self.length = length
        self.layers = layers
        self.position = position
        self.init = init
        self._rows: dict[int, int] = {}
        self._n_prefix = 0
        self._pending = False

    def attach(self, tower: VisionTower | TextTower) -> None:
        tower = vision_only(self, tower)
        stages = tower.stages
        if not stages.takes_prompts:
            raise ConfigError(
                f'VisualPrompt: {tower.card.name} is {stages.description}, with no one sequence '
                f'of tokens through all blocks that prompts could join. Tune it with {stages.alternatives} '
                '(in a config: model.backbone.tuning=NoTuning)'
            )
        blocks = _block_numbers(self.layers, tower.depth)
        self.check_length(tower)
        self._rows = {block: row for row, block in enumerate(blocks)}
        self._n_prefix = tower.num_prefix_tokens
        self.prompt = nn.Parameter(
            INITS[self.init](torch.empty(len(blocks), self.length, tower.width))
        )
        self._pending = self.init == 'token'
        self.register_buffer('initialized', torch.tensor(not self._pending))
        self.register_load_state_dict_post_hook(_after_load)

    def check_length(self, tower: VisionTower) -> None:
        """Raise `ConfigError` where prompts are to be added to fewer patches than they are."""
        if self.position == 'add' and self.length > tower.num_patches:
            raise ConfigError(
                f"VisualPrompt: position='add' needs length ≤ the {tower.num_patches} patches of "
                f'{tower.card.name}, found {self.length}'
            )

    @property
    def first_stage(self) -> int:
        return min(self._rows)

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """Prompted blocks × length × width."""
        tower = vision_only(self, tower)
        return len(_block_numbers(self.layers, tower.depth)) * self.length * tower.width

    def after_load(self) -> None:
        """A prompt that was initialised before it was saved is never initialised again.

        The answer is kept in a Python attribute so that the forward pass need not read the device.
        """
        self._pending = not bool(self.initialized)

    @torch.no_grad()
    def start(self, tokens: Tensor) -> None:
        if not self._pending:
            return
        self.prompt.data += tokens.float().mean(dim=(0, 1)).to(self.prompt)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # every process saw another batch: rank 0's mean token is everybody's
            torch.distributed.broadcast(self.prompt.data, src=0)
        self.initialized.fill_(True)
        self._pending = False

    def before_block(self, index: int, tokens: Tensor) -> Tensor:
        row = self._rows.get(index)
        if row is None:
            return tokens
        prompt = self.prompt[row].to(tokens.dtype)
        if self.position == 'add':
            return self._add(tokens, prompt)
        prefix = tokens[:, : self._n_prefix]
        entered = index > min(self._rows)
        patches = tokens[:, self._n_prefix + (self.length if entered else 0) :]
        return torch.cat([prefix, prompt.expand(len(tokens), -1, -1), patches], dim=1)

    def after_blocks(self, tokens: Tensor) -> Tensor:
        if self.position == 'add':
            return tokens
        prefix = tokens[:, : self._n_prefix]
        return torch.cat([prefix, tokens[:, self._n_prefix + self.length :]], dim=1)

    def _add(self, tokens: Tensor, prompt: Tensor) -> Tensor:
        times = (tokens.shape[1] - self._n_prefix) // self.length
        shift = torch.zeros_like(tokens[0])
        shift[self._n_prefix : self._n_prefix + times * self.length] = prompt.repeat(times, 1)
        return tokens + shift

    def extra_repr(self) -> str:
        return f'length={self.length}, blocks={list(self._rows)}, {self.position}, {self.init}'


def _block_numbers(layers: str | int | Sequence[int], depth: int) -> list[int]:
    if layers == 'shallow':
        return [0]
    if layers == 'deep':
        return list(range(depth))
    return block_numbers('VisualPrompt: layers', "'shallow', 'deep'", layers, depth)


def _after_load(prompt: nn.Module, _incompatible_keys: object) -> None:
    if isinstance(prompt, VisualPrompt):
        prompt.after_load()
