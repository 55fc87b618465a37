"""Which stage of a tower each of its own weights belongs to: embedding, a block, or behind the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from cite.tuning.base import EMBED

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


def blocks_of(tower: VisionTower | TextTower) -> list[nn.Module]:
    """The tower's blocks, first to last; empty where it has none.

    A text model's are the items of its outermost list of modules ('encoder.layer', 'layers', 'h', …).
    """
    from cite.encoders.text.tower import TextTower

    if not isinstance(tower, TextTower):
        return list(tower.blocks)
    lists = (module for module in tower.trunk.modules() if isinstance(module, nn.ModuleList))
    return list(next(lists, []))


def own_weights(tower: VisionTower | TextTower) -> dict[str, nn.Parameter]:
    """The trunk's own weights by the names that they were loaded under, without what tunings put in."""
    return dict(tower.tuning.own_weights(tower.trunk.named_parameters()))  # type: ignore[arg-type]


def stages_of(tower: VisionTower | TextTower) -> dict[str, int]:
    """Name of an own weight → the stage whose output depends on it first.

    Numbers are those of `cite.tuning.base`: `EMBED`, blocks 0, 1, …, and the number of blocks for what
    stands behind them. A layer between two blocks belongs to the level that holds it: in front of the
    level's blocks to its first (Swin's merging), otherwise to its last (InternImage's downsampling). In a
    tower without blocks everything is the embedding.
    """
    names = list(own_weights(tower))
    blocks = blocks_of(tower)
    if not blocks:
        return dict.fromkeys(names, EMBED)
    paths = {module: name for name, module in tower.trunk.named_modules()}
    prefixes = [f'{paths[block]}.' for block in blocks]
    inside = {
        name: number
        for name in names
        for number, prefix in enumerate(prefixes)
        if name.startswith(prefix)
    }
    order = {name: place for place, name in enumerate(names)}
    starts = {inside[name]: order[name] for name in reversed(names) if name in inside}

    def loose(name: str) -> int:
        """Modules are registered in the order in which they run; plain parameters come first."""
        level = _level(name, prefixes)
        earlier = [number for number in level if starts.get(number, len(names)) < order[name]]
        whole = len(level) == len(blocks)
        if not earlier:
            return EMBED if whole else level[0]
        return len(blocks) if whole and len(earlier) == len(blocks) else earlier[-1]

    return {name: inside[name] if name in inside else loose(name) for name in names}


def _level(name: str, prefixes: Sequence[str]) -> list[int]:
    """Blocks inside the smallest module that holds the weight and any block."""
    parent = name
    while parent:
        parent = parent.rpartition('.')[0]
        held = [n for n, prefix in enumerate(prefixes) if prefix.startswith(f'{parent}.')]
        if held:
            return held
    return list(range(len(prefixes)))
