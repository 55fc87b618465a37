from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import made, shares
from matplotlib.figure import Figure
from PIL import Image

from cite.slides.outputs.colours import class_colours, heat
from cite.slides.outputs.drawing import (
    bar_length,
    bar_text,
    draw_classes,
    draw_heat,
    draw_picture,
    scene,
    veil,
)
from cite.slides.outputs.heatmap import DPI, heatmap, overview_figure


def pixels_of(figure):
    stream = io.BytesIO()
    figure.savefig(stream, dpi=DPI)
    return np.asarray(Image.open(stream).convert('RGB')).astype(int)


def drawn(draw, result):
    """What a reader of the panel sees at a place of the slide, in pixels of level 0."""
    figure = Figure((6, 6), dpi=DPI)
    ax = figure.add_axes((0.1, 0.15, 0.8, 0.8))
    draw(ax)
    page = pixels_of(figure)

    def at(x, y):
        across, up = ax.transData.transform((x, y))
        return page[round(page.shape[0] - up), round(across)]

    return at


def on_grey(rgba, grey):
    return rgba[:3] * (rgba[3] / 255) + grey * (1 - rgba[3] / 255)


@pytest.fixture
def result():
    scores = shares(12, seed=3)
    # two tiles missing, one blurred, one damaged: nothing of it symmetric
    rows = np.array([0, 1, 3, 4, 5, 6, 8, 9])
    made_up = made(scores, 3, 4)
    return replace(
        made_up, rows=rows, scores=scores[rows], blurred=np.array([2]), damaged={10: 'bytes'}
    )


def test_a_heat_map_has_each_tile_at_its_place_and_nothing_elsewhere(result):
    of = scene(result)
    at = drawn(lambda ax: draw_heat(ax, of, 1), result)
    grey = float(of.grey[0, 0, 0])
    for row, tile in enumerate(result.rows):
        x, y = result.grid.x[tile] + 112, result.grid.y[tile] + 112
        expected = on_grey(veil(result.scores[row : row + 1, 1])[0].astype(float), grey)
        assert np.abs(at(x, y) - expected).max() <= 3
    for tile in (7, 11):  # not on the list at all
        assert np.abs(at(result.grid.x[tile] + 112, result.grid.y[tile] + 112) - grey).max() <= 2


def test_the_most_probable_class_has_its_colour(result):
    of = scene(result)
    at = drawn(lambda ax: draw_classes(ax, of), result)
    grey = float(of.grey[0, 0, 0])
    for row, tile in enumerate(result.rows):
        colour = np.array([*class_colours(3)[result.scores[row].argmax()], 153.0])
        seen = at(result.grid.x[tile] + 112, result.grid.y[tile] + 112)
        assert np.abs(seen - on_grey(colour, grey)).max() <= 3


def test_blurred_and_damaged_tiles_are_hatched_and_only_they(result):
    of = scene(result)
    at = drawn(lambda ax: draw_heat(ax, of, 0), result)

    def lines(tile):
        places = np.arange(20, 204, 4)
        x, y = result.grid.x[tile], result.grid.y[tile]
        seen = np.array([at(x + 60, y + place) for place in places])
        return (np.abs(seen - seen.max(0)).max(1) > 40).mean()

    assert lines(2) > 0.1 and lines(10) > 0.1
    assert lines(7) == 0 and lines(0) == 0
    legend = [text.get_text() for text in overview_figure(of, [0]).legends[0].get_texts()]
    assert legend == ['a', 'b', 'c', 'too blurred', 'damaged']


def test_the_slide_is_neither_turned_nor_mirrored():
    result = made(shares(12), 3, 4)
    picture = np.full((42, 56, 3), 240, np.uint8)
    picture[4:10, 40:50] = (200, 30, 120)  # above, right
    of = scene(replace(result, picture=picture))
    at = drawn(lambda ax: draw_picture(ax, of, colour=True), result)
    assert np.abs(at(45 * 16, 7 * 16) - (200, 30, 120)).max() <= 2
    for x, y in ((11, 7), (45, 35), (11, 35), (7, 40)):
        assert np.abs(at(x * 16, y * 16) - 240).max() <= 2


def test_pixels_that_are_no_squares_keep_their_shape_in_micrometres():
    result = made(shares(16), 4, 4, slide_mpp=(0.25, 0.5))  # as wide as high in micrometres
    width, height = result.size
    assert width == 2 * height
    of = scene(result)
    assert of.shape == pytest.approx(1)
    figure = Figure((6, 6))
    ax = figure.add_axes((0, 0, 1, 1))
    draw_heat(ax, of, 0)
    figure.draw_without_rendering()
    low, high = ax.transData.transform([(0, height), (width, 0)])
    assert high[0] - low[0] == pytest.approx(high[1] - low[1], rel=0.01)


@given(st.floats(1, 1e6))
def test_scale_bars_are_round_and_neither_long_nor_short(width):
    length = bar_length(width)
    assert width / 10 - 1e-9 <= length <= width / 4 * 1.001
    assert f'{length:.0e}'[0] in '125'


def test_the_scale_bar_is_as_long_as_it_says():
    result = made(shares(80), 8, 10, slide_mpp=(0.4, 0.5))
    ax = Figure((6, 6)).add_axes((0.1, 0.1, 0.8, 0.8))
    draw_picture(ax, scene(result), colour=True)
    bar = ax.collections[0].get_paths()[0].get_extents()
    text = ax.texts[0].get_text()
    assert text == '200 µm'  # of 1,120
    assert bar.width * 0.4 == pytest.approx(200)
    assert (bar_text(50), bar_text(1000), bar_text(5000)) == ('50 µm', '1 mm', '5 mm')


def test_names_are_literal_and_whole():
    name = 'moderately $differentiated$ tubular_adenocarcinoma with ^signs and {braces}'
    result = made(shares(12, 2), 3, 4, classes=(name, 'other'))
    of = scene(result)
    for figure in (heatmap(of, 0), overview_figure(of, [0, 1])):
        pixels_of(figure)
        words = ' '.join(text.get_text() for text in figure.texts).replace('\n', ' ')
        assert f'P({name})' in words
        page = figure.get_window_extent()
        figure.draw_without_rendering()
        for text in [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]:
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= page.width and box.y0 >= 0 and box.y1 <= page.height


@pytest.mark.parametrize(('rows', 'columns', 'classes'), [(1, 40, 2), (40, 1, 2), (5, 5, 25)])
def test_slides_and_classes_of_any_shape_fit_the_page(rows, columns, classes):
    result = made(shares(rows * columns, classes), rows, columns)
    of = scene(result)
    for figure in (heatmap(of, 0), overview_figure(of, range(classes))):
        assert min(figure.get_size_inches()) > 0.5 and max(figure.get_size_inches()) < 60
        figure.draw_without_rendering()
        boxes = [ax.get_window_extent() for ax in figure.axes]
        page = figure.get_window_extent()
        assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
        assert all(box.x1 <= page.width and box.y1 <= page.height for box in boxes)
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[number + 1 :])


@pytest.mark.parametrize('count', [1, 2, 7, 8, 20, 40])
def test_no_two_classes_have_one_colour(count):
    colours = class_colours(count)
    assert len(set(colours)) == len(colours) == count


def test_what_has_no_value_is_clear():
    values = np.array([0.0, np.nan, 1.0])
    assert heat(values)[:, 3].tolist() == [255, 0, 255]
    assert veil(values)[1, 3] == 0 and 0 < veil(values)[0, 3] < veil(values)[2, 3]
