"""Scores of a patch as a picture: the patch, and bars of its classes."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from PIL import Image

from cite.atomic import replacing
from cite.demo.patch import Scores
from cite.demo.settings import NOTE

WIDTH = 34
"""Characters of a class in a line."""
MOST = 12
"""Bars that are drawn; the rest is in the table."""


def write_png(scores: Scores, picture: Image.Image, path: Path) -> None:
    """Draws the `MOST` most probable classes, with their cosines where there are any."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = np.argsort(-scores.probabilities, kind='stable')[:MOST]
    labels = [textwrap.fill(scores.classes[row], WIDTH).replace('$', r'\$') for row in order]
    lines = sum(label.count('\n') + 1 for label in labels)
    height = max(2.6, 0.6 + 0.2 * lines + 0.15 * len(order))
    figure = Figure(figsize=(9, height), dpi=150, facecolor='white', layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1, 2])
    shown = picture.copy()
    shown.thumbnail((600, 600))
    left.imshow(shown)
    left.set_axis_off()
    values = scores.probabilities[order]
    right.barh(range(len(order)), values, color='#1f6fb4')
    right.set_yticks(range(len(order)), labels, fontsize=9)
    right.invert_yaxis()
    right.set_xlim(0, 1.18)
    right.set_xticks(np.linspace(0, 1, 6))
    right.set_xlabel('probability', fontsize=9)
    right.spines[['top', 'right']].set_visible(False)
    for place, row in enumerate(order):
        said = f'{scores.probabilities[row]:.3f}'
        if scores.cosines is not None:
            said += f'\ncos {scores.cosines[row]:.3f}'
        right.text(values[place] + 0.01, place, said, va='center', fontsize=8)
    figure.suptitle(f'{scores.model} · {NOTE}', fontsize=9)
    with replacing(path) as place_:
        figure.savefig(place_, format='png')
