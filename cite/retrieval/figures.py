"""Figures of an evaluation as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLES = {
    'text_to_image': 'text to image',
    'image_to_text': 'image to text',
    'image_to_image': 'image to image',
}


def metrics_text(measured: Mapping[str, Mapping[str, float]]) -> str:
    """Each direction with its figures, chance beside them."""
    lines: list[str] = []
    for direction, values in measured.items():
        title = TITLES[direction]
        asked = f'{values["queries"]:.0f} queries, {_plain(values["candidates"])} candidates each'
        left = values.get('left_out', 0)
        out = f'; {left:.0f} images left out, without a right candidate' if left else ''
        lines += ['', f'{title} ({asked}{out})', f'  {"":14s}  {"found":>7s}  {"chance":>7s}']
        for name in values:
            if f'chance_{name}' in values:
                said = {'median_rank': 'median rank', 'map': 'mAP'}.get(
                    name, name.replace('map', 'mAP')
                )
                pair = (_figure(name, values[key]) for key in (name, f'chance_{name}'))
                lines.append(f'  {said:14s}  ' + '  '.join(f'{value:>7s}' for value in pair))
    return '\n'.join(lines[1:])


def measured_text(measured: Mapping[str, Any]) -> str:
    """What `tune` found."""
    name = next((key for key in measured if key.startswith('recall@')), None)
    if name is None:
        return 'nothing to measure'
    short = '' if measured['reached'] else f', below the {measured["target"]} that was asked for'
    return (
        f'{name} {measured[name]:.3f} against exact search ({measured["queries"]} queries, effort '
        f'{measured["effort"]}{short})'
    )


def _figure(name: str, value: float) -> str:
    return f'{value:.1f}' if name == 'median_rank' else f'{value:.3f}'


def _plain(value: float) -> str:
    return f'{value:.0f}' if value == round(value) else f'{value:.1f} on average'
