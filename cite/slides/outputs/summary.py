"""A slide's result as plain values: what `summary.json` says, and the rest is written from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cite.slides.tiling import starts

if TYPE_CHECKING:
    from cite.slides.result import SlideResult
    from cite.slides.uncertainty import Uncertainty

NOTICE = 'For research use only, not for diagnosis.'
DAMAGED_NAMED = 50


def summary(result: SlideResult, unsure: Uncertainty) -> dict[str, Any]:
    """Of a slide with one predicted tile or more; NaN and numpy types are not in it."""
    places = [len(axis) for axis in starts(result.size, result.grid.side, result.grid.spec)]
    area = result.mpp[0] * result.mpp[1] / 1e6  # mm² of a pixel of level 0
    step = result.steps[0] * result.steps[1] * area
    tissue = result.tissue
    pixel = tissue.downsample[0] * tissue.downsample[1] * area
    on_grid = places[0] * places[1]
    shares = result.probabilities.tolist()
    names = result.classes
    most = result.scores.argmax(1)
    return {
        'slide': result.name,
        'file': str(result.path),
        'label': result.label,
        'probabilities': dict(zip(names, shares, strict=True)),
        'uncertainty': {
            'low': dict(zip(names, unsure.low, strict=True)) if unsure.low else None,
            'high': dict(zip(names, unsure.high, strict=True)) if unsure.high else None,
            'confidence': unsure.confidence,
            'method': 'blocks of tissue drawn with replacement',
            'why_none': unsure.why,
            'blocks': round(unsure.blocks, 2),
            'block_mm': unsure.block_mm,
            'entropy': unsure.entropy,
            'margin': unsure.margin,
            'agreement': unsure.agreement,
        },
        'tiles': {
            'on_grid': on_grid,
            'too_little_tissue': on_grid - len(result.grid),
            'with_tissue': len(result.grid),
            'predicted': len(result.rows),
            'blurred': len(result.blurred),
            'damaged': len(result.damaged),
            'by_class': {name: int((most == at).sum()) for at, name in enumerate(names)},
        },
        'area_mm2': {
            'slide': round(result.size[0] * result.size[1] * area, 4),
            'tissue': round(float(tissue.mask.sum()) * pixel, 4),
            # of overlapping tiles each counts for its step
            'tissue_predicted': round(float(result.grid.tissue[result.rows].sum()) * step, 4),
            'pen': round(float(tissue.pen.sum()) * pixel, 4),
        },
        'damaged': {
            f'{int(result.grid.x[tile])},{int(result.grid.y[tile])}': why
            for tile, why in sorted(result.damaged.items())[:DAMAGED_NAMED]
        },
        'size': list(result.size),
        'mpp': list(result.mpp),
        'mpp_from': result.record.get('mpp_from', ''),
        'notice': NOTICE,
        'record': result.record,
    }
