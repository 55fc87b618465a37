"""Prompts inside Swin's windows: `VisualPrompt` on towers whose tokens lie on a grid.

After the Swin form of visual prompt tuning (Jia et al., ECCV 2022) in its authors' code; there, copies of a
prompt get mixed between the images of a batch, here they do not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from cite.encoders.towers.swin import Swin


class WindowPrompts:
    """How prompts go through the blocks of a Swin tower, beside its grid of tokens.

    Args:
        stages: The tower's.

    The prompts of the pass that is under way are kept here between blocks, so that whatever else looks at
    the tokens sees the grid alone.
    """

    def __init__(self, stages: Swin) -> None:
        self.stages = stages
        self._running: Tensor | None = None

    def clear(self) -> None:
        """Forgets the prompts of the last pass."""
        self._running = None

    def upsampled(self, index: int, prompts: Tensor) -> Tensor:
        """Prompts (…, C) in front of block `index` → of the width of that block.

        Where patches are merged in front of it, each prompt goes through the merging as four equal patches
        would: no weights are added, and merging treats them like the tokens beside them.
        """
        merging: Any = self.stages.merging.get(index)
        if merging is None or isinstance(merging, nn.Identity):
            return prompts
        four = torch.cat([prompts] * 4, dim=-1).to(merging.reduction.weight.dtype)
        widened: Tensor = merging.reduction(merging.norm(four))
        return widened

    def at_widths(self, token: Tensor) -> dict[int, Tensor]:
        """A token (C,) of the first block → width → what merging makes of it, as of a prompt."""
        found = {}
        for index in range(len(self.stages.blocks)):
            token = self.upsampled(index, token)
            found[len(token)] = token
        return found

    def prepend(
        self,
        index: int,
        tokens: Tensor,
        prompt: Tensor | None,
        run: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """Runs a block with prompts in its windows: those given, else those that left the block before.

        Args:
            tokens: (B, rows, columns, channels) that enter the block, before merging.
            prompt: (length, channels behind merging), or None.
            run: The block: (index, tokens) → tokens.
        """
        if prompt is not None:
            entering = prompt.to(tokens.dtype).expand(tokens.shape[0], -1, -1)
        elif self._running is not None:
            entering = self.upsampled(index, self._running)
        else:
            return run(index, tokens)

        def prompted(block: nn.Module, grid: Tensor) -> Tensor:
            grid, self._running = prompted_block(block, grid, entering)
            return grid

        with self._instead(prompted):
            return run(index, tokens)

    def add(
        self,
        index: int,
        tokens: Tensor,
        prompt: Tensor,
        run: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """Runs a block with prompts added to its patch tokens, behind merging; see `prepend`."""

        def prompted(block: nn.Module, grid: Tensor) -> Tensor:
            rows, columns = grid.shape[1:3]
            added = spread(prompt.to(grid.dtype), rows * columns)
            out: Tensor = block(grid + added.unflatten(0, (rows, columns)))
            return out

        with self._instead(prompted):
            return run(index, tokens)

    @contextlib.contextmanager
    def _instead(self, prompted: Callable[[nn.Module, Tensor], Tensor]) -> Iterator[None]:
        self.stages.instead = prompted
        try:
            yield
        finally:
            self.stages.instead = None


def spread(prompt: Tensor, patches: int) -> Tensor:
    """Prompts (P, C), repeated in turn over so many patches → (patches, C); those left over get zeros."""
    times = patches // len(prompt)
    return nn.functional.pad(prompt.repeat(times, 1), (0, 0, 0, patches - times * len(prompt)))


def prompted_block(block: Any, grid: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """A `SwinTransformerBlock` of timm with prompts beside the patches of each of its windows.

    Args:
        block: The block; hooks on its parts act, hooks on itself do not.
        grid: Patch tokens (B, rows, columns, C).
        prompts: (B, P, C).

    Returns:
        Both, as they leave the block.
    """
    sides, length = grid.shape[1:3], prompts.shape[1]
    tokens = torch.cat([prompts, grid.flatten(1, 2)], dim=1)
    normed = block.norm1(tokens)
    seen, heard = _attention(block, normed[:, length:].unflatten(1, sides), normed[:, :length])
    mixed = torch.cat([heard, seen.flatten(1, 2)], dim=1)
    tokens = tokens + block.drop_path1(mixed)
    tokens = tokens + block.drop_path2(block.mlp(block.norm2(tokens)))
    return tokens[:, length:].unflatten(1, sides), tokens[:, :length]


def _attention(block: Any, grid: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Attention within windows; shift, padding and mask are those of `SwinTransformerBlock._attn`.

    Patches that timm pads with are seen by the prompts, as they are by the patches.
    """
    from timm.models.swin_transformer import window_partition, window_reverse

    (batch, rows, columns, channels), length = grid.shape, prompts.shape[1]
    window, shift = block.window_size, block.shift_size
    if any(shift):
        grid = torch.roll(grid, (-shift[0], -shift[1]), dims=(1, 2))
    grid = nn.functional.pad(grid, (0, 0, 0, -columns % window[1], 0, -rows % window[0]))
    padded = grid.shape[1:3]
    mask = block.get_attn_mask(grid) if getattr(block, 'dynamic_mask', False) else block.attn_mask
    windows = window_partition(grid, window).flatten(1, 2)
    copies = prompts.repeat_interleave(windows.shape[0] // batch, dim=0)
    together = torch.cat([copies, windows], dim=1)
    with _bias_for(block.attn, length):
        mixed = block.attn(together, mask=None if mask is None else _widened(mask, length))
    heard = mixed[:, :length].unflatten(0, (batch, -1)).mean(dim=1)
    grid = window_reverse(
        mixed[:, length:].reshape(-1, *window, channels), window, padded[0], padded[1]
    )
    grid = grid[:, :rows, :columns]
    if any(shift):
        grid = torch.roll(grid, tuple(shift), dims=(1, 2))
    return grid, heard


def _widened(bias: Tensor, length: int) -> Tensor:
    """(…, N, N) → (…, length + N, length + N), with zeros for the prompts."""
    return nn.functional.pad(bias, (length, 0, length, 0))


@contextlib.contextmanager
def _bias_for(attention: Any, length: int) -> Iterator[None]:
    """Inside, the attention's relative position bias has room for prompts.

    The attention itself is called, and not its parts, so that hooks of adapters on it go on acting.
    """
    bias = _widened(attention._get_rel_pos_bias(), length)
    attention._get_rel_pos_bias = lambda: bias
    try:
        yield
    finally:
        del attention._get_rel_pos_bias
