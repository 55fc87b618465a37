"""Visual prompt tuning (Jia et al., ECCV 2022): trained tokens beside, or added to, the patch tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS, Tuning, vision_only
from cite.tuning.blocks import block_numbers
from cite.tuning.swin_prompt import WindowPrompts, spread

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.stages import Stages
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

    On Swin towers a prompt joins every window: it sees all patches there and is seen by them, without
    relative position bias; the window partition, its shift and its mask are those of the patches. Behind
    the attention the windows' copies are averaged. Where patches are merged, a prompt that is not
    replaced goes through the merging as four equal patches would, as in the paper's code: no stage needs
    weights of its own to go on. A prompt has the width of its block behind the merging, so that there is
    one parameter per width, `prompts.<width>`; 'token' brings the mean embedded token to each width in
    that same way. 'add' adds to the grid, row by row.
    """

    paper = 'VPT: Jia et al., ECCV 2022'
    group = 'prompt'

    prompt: nn.Parameter
    prompts: nn.ParameterDict
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
        self._windows: WindowPrompts | None = None
        self._pending = False

    def attach(self, tower: VisionTower | TextTower) -> None:
        tower = vision_only(self, tower)
        stages = tower.stages
        if not stages.takes_prompts:
            raise ConfigError(
                f'VisualPrompt: {tower.card.name} is {stages.description}, with no tokens that prompts '
                f'could join. Tune it with {stages.alternatives} '
                '(in a config: model.backbone.tuning=NoTuning)'
            )
        blocks = _block_numbers(self.layers, tower.depth)
        self.check_length(tower)
        self._n_prefix = tower.num_prefix_tokens
        if stages.windowed:
            windowed: Any = stages
            self._windows = WindowPrompts(windowed)
            self._attach_widths(windowed, blocks)
        else:
            self._rows = {block: row for row, block in enumerate(blocks)}
            self.prompt = self._new(len(blocks), tower.width)
        self._pending = self.init == 'token'
        self.register_buffer('initialized', torch.tensor(not self._pending))
        self.register_load_state_dict_post_hook(_after_load)

    def _new(self, rows: int, width: int) -> nn.Parameter:
        return nn.Parameter(INITS[self.init](torch.empty(rows, self.length, width)))

    def _attach_widths(self, stages: Stages, blocks: list[int]) -> None:
        self._widths = {block: stages.block_size(block)[1] for block in blocks}
        counts: dict[int, int] = {}
        for block, width in self._widths.items():
            self._rows[block] = counts.get(width, 0)
            counts[width] = self._rows[block] + 1
        self.prompts = nn.ParameterDict(  # of pairs: it would sort a dict by its words
            [(str(width), self._new(count, width)) for width, count in counts.items()]
        )

    def _prompt_of(self, block: int) -> Tensor | None:
        """The prompt (length, width) that enters at a block."""
        row = self._rows.get(block)
        if row is None:
            return None
        return (self.prompts[str(self._widths[block])] if self._windows else self.prompt)[row]

    def check_length(self, tower: VisionTower) -> None:
        """Raise `ConfigError` where prompts are to be added to fewer patches than they are."""
        if self.position != 'add':
            return
        for block in _block_numbers(self.layers, tower.depth):
            patches, _ = tower.stages.block_size(block)
            if self.length > patches:
                raise ConfigError(
                    f"VisualPrompt: position='add' needs length ≤ the {patches} patches of "
                    f'{tower.card.name} (in block {block}), found {self.length}'
                )

    @property
    def first_stage(self) -> int:
        return min(self._rows)

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """Length × width, summed over the prompted blocks; the width is a block's own on Swin towers."""
        tower = vision_only(self, tower)
        blocks = _block_numbers(self.layers, tower.depth)
        return sum(self.length * tower.stages.block_size(block)[1] for block in blocks)

    def after_load(self) -> None:
        """A prompt that was initialised before it was saved is never initialised again.

        The answer is kept in a Python attribute so that the forward pass need not read the device.
        """
        self._pending = not bool(self.initialized)

    @torch.no_grad()
    def start(self, tokens: Tensor) -> None:
        if self._windows:
            self._windows.clear()
        if not self._pending:
            return
        mean = tokens.float().mean(dim=tuple(range(tokens.ndim - 1)))
        means = self._windows.at_widths(mean) if self._windows else {self.prompt.shape[-1]: mean}
        for prompt in self.parameters():
            prompt.data += means[prompt.shape[-1]].to(prompt)
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                # every process saw another batch: rank 0's mean token is everybody's
                torch.distributed.broadcast(prompt.data, src=0)
        self.initialized.fill_(True)
        self._pending = False

    def before_block(self, index: int, tokens: Tensor) -> Tensor:
        prompt = self._prompt_of(index)
        if prompt is None or self._windows:
            return tokens
        prompt = prompt.to(tokens.dtype)
        if self.position == 'add':
            return self._add(tokens, prompt)
        prefix = tokens[:, : self._n_prefix]
        entered = index > min(self._rows)
        patches = tokens[:, self._n_prefix + (self.length if entered else 0) :]
        return torch.cat([prefix, prompt.expand(tokens.shape[0], -1, -1), patches], dim=1)

    def run_block(self, index: int, tokens: Tensor, run: Callable[[int, Tensor], Tensor]) -> Tensor:
        if not self._windows:
            return run(index, tokens)
        prompt = self._prompt_of(index)
        if self.position == 'prepend':
            return self._windows.prepend(index, tokens, prompt, run)
        return (
            run(index, tokens) if prompt is None else self._windows.add(index, tokens, prompt, run)
        )

    def after_blocks(self, tokens: Tensor) -> Tensor:
        if self._windows:
            self._windows.clear()
            return tokens
        if self.position == 'add':
            return tokens
        prefix = tokens[:, : self._n_prefix]
        return torch.cat([prefix, tokens[:, self._n_prefix + self.length :]], dim=1)

    def _add(self, tokens: Tensor, prompt: Tensor) -> Tensor:
        added = spread(prompt, tokens.shape[1] - self._n_prefix)
        return tokens + nn.functional.pad(added, (0, 0, self._n_prefix, 0))

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
