"""Which patches, and which regions inside a patch, speak for a class or its text.

Maps inside a patch: `explain`, by one of `METHODS`; drawn by `overlay` and `draw`. Across patches:
`extremes` and `top_patches`. Other classes than an adapter's, or a pair's own: `ask`. docs/attribution.md
says what each map means.
"""

from __future__ import annotations

from cite.attribution.asking import ask
from cite.attribution.explaining import explain, explain_classes
from cite.attribution.extremes import Extremes, extremes, top_patches
from cite.attribution.figure import draw
from cite.attribution.methods.base import METHODS
from cite.attribution.overlays import limits, overlay
from cite.attribution.patch_map import PatchMap

__all__ = [
    'METHODS',
    'Extremes',
    'PatchMap',
    'ask',
    'draw',
    'explain',
    'explain_classes',
    'extremes',
    'limits',
    'overlay',
    'top_patches',
]
