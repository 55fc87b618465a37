"""What LoHa and LoKr have in common: options and dropout of the LyCORIS family."""

from __future__ import annotations

from collections.abc import Sequence

from cite.tuning.injected import InjectedTuning
from cite.tuning.numbers import above_zero, share, whole


class Lycoris(InjectedTuning):
    """An update of the whole weight, put together from small matrices: W x + alpha / r · ΔW x.

    Args:
        r: Rank of the matrices.
        alpha: The update is scaled by alpha / r; None stands for r.
        dropout: Share of the outputs of ΔW that are left out of a training step.
        targets, blocks: See `InjectedTuning`.
    """

    convolutions = True
    dropouts = ('',)

    def __init__(
        self,
        r: int = 8,
        alpha: float | None = None,
        dropout: float = 0.0,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.r = whole(f'{self.name}: r', r)
        self.alpha = r if alpha is None else above_zero(f'{self.name}: alpha', alpha, True)
        self.dropout = share(f'{self.name}: dropout', dropout)

    def shown(self) -> list[str]:
        parts = [f'r={self.r}']
        if self.alpha != self.r:
            parts.append(f'alpha={self.alpha:g}')
        if self.dropout:
            parts.append(f'dropout={self.dropout:g}')
        return parts
