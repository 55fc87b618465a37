from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from cite.attribution import PatchMap, draw, limits, overlay
from cite.attribution.patch_map import enlarge
from cite.errors import ConfigError, DataError


def a_map(grid, size=(64, 64), box=None, class_name='tumour', **fields):
    grid = np.array(grid, np.float32)
    box = (0, 0, *size) if box is None else box
    told = {'method': 'scores', 'signed': False, 'unit': 'cosine', 'probability': 0.25, **fields}
    return PatchMap(grid, enlarge(grid, 64), class_name=class_name, size=size, box=box, **told)


def grey(size=(64, 64), value=120):
    return Image.new('RGB', size, (value,) * 3)


def test_the_ends_of_the_colours_are_the_ends_of_the_values():
    shown = np.asarray(overlay(grey(), a_map([[0, 1], [0.5, 0.2]]), alpha=1))
    scale = (colormaps['viridis']([0.0, 1.0])[:, :3] * 255).round()
    np.testing.assert_allclose(shown[0, 0], scale[0], atol=2)
    np.testing.assert_allclose(shown[0, -1], scale[1], atol=2)


def test_zero_is_the_middle_of_a_signed_map():
    one = a_map([[-1, 0], [0, 4]], signed=True)
    assert limits([one]) == (-4, 4)
    shown = np.asarray(overlay(grey(), one, alpha=1)).astype(int)
    red, blue = shown[-1, -1], shown[0, 0]
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 20
    assert np.ptp(shown[0, -1]) <= 3


def test_maps_that_share_colours_share_their_ends():
    assert limits([a_map([[0, 1], [0, 0]]), a_map([[-2, 0], [0, 0]])]) == (-2, 1)
    low, high = limits([a_map([[3, 3], [3, 3]])])
    assert low < high


def test_a_map_lies_where_the_model_looked_and_the_rest_is_faded():
    one = a_map([[0, 1], [0, 1]], size=(120, 64), box=(28, 0, 92, 64))
    shown = np.asarray(overlay(grey((120, 64)), one, alpha=1)).astype(int)
    assert shown.shape == (64, 120, 3)
    margins = np.concatenate([shown[:, :28], shown[:, 92:]], 1)
    assert (np.ptp(margins, axis=-1) == 0).all() and (margins > 180).all()
    assert (np.ptp(shown[:, 28:92], axis=-1) > 20).all()
    # the step of the map lies in the middle of the box
    green = shown[32, 28:92, 1]
    assert (np.diff(green) >= 0).all() and abs(int(np.argmax(green > 140)) - 32) < 8


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(DataError, match='of 64 × 64 pixels, found one of 65 × 64'):
        overlay(grey((65, 64)), a_map([[0, 1], [0, 1]]))


def inside_the_canvas(figure):
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = []
    for ax in figure.axes:
        texts = [ax.title, *ax.texts]
        if ax.axison:  # the scale of the colours
            texts += [ax.yaxis.label, *ax.get_yticklabels()]
        boxes += [t.get_window_extent() for t in texts if t.get_visible() and t.get_text()]
    if figure._suptitle is not None:
        boxes.append(figure._suptitle.get_window_extent())
    assert len(boxes) > 4
    return all(
        b.x0 >= -1 and b.y0 >= -1 and b.x1 <= width + 1 and b.y1 <= height + 1 for b in boxes
    )


LONG = 'Moderately differentiated tubular adenocarcinoma with $cribriform growth, and some more words on it'


@pytest.mark.parametrize('size', [(300, 64), (1200, 900)])
def test_no_title_is_cut_off_and_none_meets_another(size, tmp_path):
    names = [LONG, 'stroma', LONG * 2]
    maps = [
        [a_map([[0, 1], [1, 0]], size, class_name=name) for name in names],
        [a_map([[0, 1], [1, 0]], size, class_name=None, method='rollout', probability=None)],
        [a_map([[0, 1e-5], [1, 0]], size, class_name=name, signed=True) for name in names],
    ]
    figure = draw(grey(size), maps, 'a_very_long_name_of_a_file_' * 12, tmp_path / 'a.png')
    assert inside_the_canvas(figure)
    titles = [ax.title.get_window_extent() for ax in figure.axes if ax.title.get_text()]
    assert len(titles) == 1 + 3 + 1
    assert not any(a.overlaps(b) for i, a in enumerate(titles) for b in titles[:i])
    assert (tmp_path / 'a.png').read_bytes()[:4] == b'\x89PNG'


def test_the_same_maps_give_the_same_bytes(tmp_path):
    for name in ('a.png', 'b.png'):
        draw(grey(), [[a_map([[0, 1], [1, 0]])]], 'x', tmp_path / name)
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()
    with pytest.raises(ConfigError, match='at least one map'):
        draw(grey(), [])
