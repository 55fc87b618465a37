"""Panels of pictures of a slide: x to the right and y downwards as on the slide, micrometres true to scale.

Under a heat map the tissue is grey, so that no colour of the map can be taken for stain. What was not shown
to the model stays clear; what was too blurred or damaged is hatched.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cite.slides.outputs.colours import class_colours, heat
from cite.slides.outputs.maps import mask_of, tile_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.slides.result import SlideResult

TEXT, SMALL, TITLE = 9.0, 7.5, 11.0  # points
LONGEST = 2000
"""Pixels of the longer side of a picture that is drawn on, at most."""
OPAQUE = (0.3, 0.68)
"""Of a heat map above the tissue, at probability 0 and at 1: dark colours would hide it."""
BLURRED, DAMAGED = '#404040', '#D55E00'
INK, GREY = '#1b1b1b', '#5f5f5f'


@dataclass(frozen=True, eq=False)
class Scene:
    """A slide made ready for drawing.

    Attributes:
        picture: (h, w, 3) uint8.
        grey: The same without colour, paler.
        maps: (rows, columns, C) probabilities, see `tile_map`.
        blurred, damaged: (h, w) bool, on the picture.
    """

    result: SlideResult
    picture: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    maps: NDArray[np.float32]
    blurred: NDArray[np.bool_]
    damaged: NDArray[np.bool_]

    @property
    def shape(self) -> float:
        """Height of the slide by its width, in micrometres."""
        (width, height), mpp = self.result.size, self.result.mpp
        return height * mpp[1] / (width * mpp[0])


def scene(result: SlideResult) -> Scene:
    """All that the pictures of a slide share."""
    picture = result.picture
    longest = max(picture.shape[:2])
    if longest > LONGEST:
        size = [max(1, round(side * LONGEST / longest)) for side in picture.shape[1::-1]]
        small = Image.fromarray(picture).resize((size[0], size[1]), Image.Resampling.BOX)
        picture = np.asarray(small)
    light = np.asarray(Image.fromarray(picture).convert('L'), np.float32)
    grey = np.repeat((255 - 0.8 * (255 - light)).astype(np.uint8)[..., None], 3, 2)
    shape = picture.shape[0], picture.shape[1]
    damaged = np.array(sorted(result.damaged), np.int64)
    return Scene(
        result,
        picture,
        grey,
        tile_map(result),
        mask_of(result, result.blurred, shape),
        mask_of(result, damaged, shape),
    )


def draw_picture(ax: Axes, of: Scene, colour: bool) -> None:
    """The slide itself, on axes in pixels of level 0, with a scale bar below."""
    width, height = of.result.size
    ax.imshow(
        of.picture if colour else of.grey, extent=(0, width, height, 0), interpolation='antialiased'
    )
    ax.set_aspect(of.result.mpp[1] / of.result.mpp[0])
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(color='#b0b0b0', linewidth=0.6)
    scale_bar(ax, of)


def draw_heat(ax: Axes, of: Scene, number: int) -> None:
    """The probability of a class above the grey slide."""
    draw_picture(ax, of, colour=False)
    _overlay(ax, of, veil(of.maps[..., number]))
    draw_left_out(ax, of)


def veil(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(…) probabilities → (…, 4) RGBA, the more opaque the more probable; clear where NaN."""
    colours = heat(values)
    opaque = OPAQUE[0] + (OPAQUE[1] - OPAQUE[0]) * np.nan_to_num(values)
    colours[..., 3] = np.where(np.isfinite(values), np.round(255 * opaque), 0)
    return colours


def draw_classes(ax: Axes, of: Scene) -> None:
    """The most probable class of each tile above the grey slide."""
    draw_picture(ax, of, colour=False)
    known = np.isfinite(of.maps[..., 0])
    best = np.where(known[..., None], of.maps, 0).argmax(-1)
    colours = np.array(class_colours(len(of.result.classes)), np.uint8)[best]
    _overlay(ax, of, np.dstack([colours, np.where(known, 255 * 0.6, 0).astype(np.uint8)]))
    draw_left_out(ax, of)


def _overlay(ax: Axes, of: Scene, rgba: NDArray[np.uint8]) -> None:
    """A picture with a pixel per step of the grid; what reaches over the slide is cut off."""
    rows, columns = rgba.shape[:2]
    step_x, step_y = of.result.steps
    limits = ax.get_xlim(), ax.get_ylim()
    extent = (0, columns * step_x, rows * step_y, 0)
    ax.imshow(rgba, extent=extent, interpolation='nearest')
    ax.set(xlim=limits[0], ylim=limits[1])
    ax.set_aspect(of.result.mpp[1] / of.result.mpp[0])


def draw_left_out(ax: Axes, of: Scene) -> None:
    """Hatching where tiles were too blurred, crosses where they were damaged."""
    height, width = of.blurred.shape
    down, across = np.mgrid[:height, :width]
    period = max(4, round(max(height, width) / 150))
    rising = (down + across) % period < max(1, period // 4)
    falling = (down - across) % period < max(1, period // 4)
    page = np.zeros((height, width, 4))
    from matplotlib.colors import to_rgba

    page[of.blurred & rising] = to_rgba(BLURRED)
    page[of.damaged & (rising | falling)] = to_rgba(DAMAGED)
    if page.any():
        extent = (0, of.result.size[0], of.result.size[1], 0)
        ax.imshow(page, extent=extent, interpolation='nearest')
        ax.set_aspect(of.result.mpp[1] / of.result.mpp[0])


def left_out_handles(of: Scene) -> list[Any]:
    """What a legend says of the hatching."""
    from matplotlib.patches import Patch

    style: dict[str, Any] = {'facecolor': 'white', 'linewidth': 0.5}
    handles = []
    if of.blurred.any():
        handles.append(Patch(hatch='/////', edgecolor=BLURRED, label='too blurred', **style))
    if of.damaged.any():
        handles.append(Patch(hatch='xxxxx', edgecolor=DAMAGED, label='damaged', **style))
    return handles


def bar_length(micrometres: float) -> float:
    """1, 2 or 5 times a power of ten: the longest that is at most a fourth of a width."""
    power = 10.0 ** math.floor(math.log10(micrometres / 4))
    return max(step * power for step in (1, 2, 5) if step * power <= micrometres / 4 * (1 + 1e-9))


def bar_text(micrometres: float) -> str:
    """'200 µm', '2 mm'."""
    return f'{micrometres:g} µm' if micrometres < 1000 else f'{micrometres / 1000:g} mm'


def scale_bar(ax: Axes, of: Scene) -> None:
    """Below the lower left corner, where it hides nothing."""
    width = of.result.size[0]
    figure: Any = ax.figure
    length = bar_length(width * of.result.mpp[0])
    pixels = length / of.result.mpp[0]
    inches = figure.get_size_inches()[1] * ax.get_position().height
    # in inches below the axes, whatever the size of the slide
    y, thick = -0.09 / inches, 0.035 / inches
    bar = ax.get_xaxis_transform()
    ax.fill_between([0, pixels], y, y - thick, transform=bar, color=INK, clip_on=False, linewidth=0)
    ax.text(
        pixels + width * 0.015,
        y - thick / 2,
        bar_text(length),
        transform=bar,
        va='center',
        fontsize=SMALL,
        color=INK,
    )


def wrapped(text: str, inches: float, points: float = TEXT, lines: int = 3) -> str:
    """Text in lines that fit a width; words that are longer are broken."""
    letters = max(8, int(inches * 72 / (points * 0.56)))
    return '\n'.join(textwrap.wrap(text, letters, max_lines=lines, placeholder=' …'))


def colour_bar(figure: Figure, box: tuple[float, float, float, float], label: str) -> None:
    """From 0 to 1, as it looks above white.

    Args:
        box: Of its axes, in parts of the figure; lies on its side where it is wider than high.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    size = figure.get_size_inches()
    colours = ListedColormap(veil(np.linspace(0, 1, 256)) / 255)
    lying = box[2] * size[0] > box[3] * size[1]
    ax = figure.add_axes(box)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), colours),
        cax=ax,
        orientation='horizontal' if lying else 'vertical',
        ticks=[0, 0.25, 0.5, 0.75, 1],
    )
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label(label, fontsize=TEXT)
