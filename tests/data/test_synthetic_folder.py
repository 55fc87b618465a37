"""What every layout promises of its folder: claimed, continued, never overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drawn_sets import LAYOUTS, contents, pictures

from cite.data.synthetic.folder import MPP, VERSION
from cite.errors import CiteError, ConfigError, DataError

TABLES = {'patchgastric': 'captions.csv', 'pairs': 'pairs.csv', 'slides': 'slides.csv'}
every_layout = pytest.mark.parametrize('layout', LAYOUTS)


def draw(layout: str, root: Path, **changes: Any) -> Path:
    write, small = LAYOUTS[layout]
    return write(root, **{**small, **changes})


@pytest.fixture(scope='module')
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('drawn')
    return {layout: draw(layout, folder / layout) for layout in LAYOUTS}


@every_layout
def test_the_marker_says_what_it_is(drawn: dict[str, Path], layout: str) -> None:
    about = json.loads((drawn[layout] / 'dataset.json').read_text(encoding='utf-8'))
    assert about['note'] == 'synthetic: procedurally drawn, no patient'
    assert (about['layout'], about['population'], about['seed']) == (layout, 'any', 0)
    assert (about['slides'], about['mpp'], about['version']) == (3, MPP, VERSION)
    assert VERSION == 2
    assert about.get('patches') == (None if layout == 'slides' else 6)


@every_layout
def test_an_interrupted_set_is_continued_and_a_complete_one_left_alone(
    drawn: dict[str, Path], tmp_path: Path, layout: str
) -> None:
    again = draw(layout, tmp_path / 'set')
    before = contents(again)
    assert before == contents(drawn[layout])
    first, *_, last = sorted(again / name for name in pictures(again))
    last.unlink()
    (again / TABLES[layout]).unlink()
    time = first.stat().st_mtime_ns
    draw(layout, again)
    assert contents(again) == before
    assert first.stat().st_mtime_ns == time
    times = {path: path.stat().st_mtime_ns for path in again.rglob('*')}
    draw(layout, again)
    assert {path: path.stat().st_mtime_ns for path in again.rglob('*')} == times


@every_layout
def test_workers_and_set_size_do_not_change_a_picture(
    drawn: dict[str, Path], tmp_path: Path, layout: str
) -> None:
    larger = pictures(draw(layout, tmp_path / 'larger', slides_per_class=2, workers=2))
    few = pictures(drawn[layout])
    assert len(larger) == 2 * len(few) > 0
    assert few.items() <= larger.items()


@every_layout
@pytest.mark.parametrize('change', [{'seed': 1}, {'population': 'seen'}, {'population': 'unseen'}])
def test_another_seed_or_population_has_other_names_and_pictures(
    drawn: dict[str, Path], tmp_path: Path, layout: str, change: dict[str, Any]
) -> None:
    other, one = pictures(draw(layout, tmp_path / 'other', **change)), pictures(drawn[layout])
    assert len(other) == len(one)
    assert not set(other) & set(one)
    assert not set(other.values()) & set(one.values())
    about = json.loads((tmp_path / 'other' / 'dataset.json').read_text(encoding='utf-8'))
    assert change.items() <= about.items()


@every_layout
@pytest.mark.parametrize('marker', [None, '{}', '[1]', 'no json'])
def test_a_folder_of_something_else_is_refused_and_kept(
    tmp_path: Path, layout: str, marker: str | None
) -> None:
    (tmp_path / 'captions.csv').write_text('the real one')
    if marker is not None:
        (tmp_path / 'dataset.json').write_text(marker)
    before = contents(tmp_path)
    with pytest.raises(DataError, match='not a synthetic set'):
        draw(layout, tmp_path)
    assert contents(tmp_path) == before


@every_layout
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'seed': 5}, 'seed 0, not 5'),
        ({'slides_per_class': 3}, 'slides_per_class 1, not 3'),
        ({'population': 'seen'}, "population 'any', not 'seen'"),
    ],
)
def test_other_parameters_are_refused_by_name(
    drawn: dict[str, Path], layout: str, change: dict[str, Any], message: str
) -> None:
    before = contents(drawn[layout])
    with pytest.raises(DataError, match=message):
        draw(layout, drawn[layout], **change)
    assert contents(drawn[layout]) == before


@pytest.mark.parametrize(
    ('layout', 'name', 'value'),
    [
        ('patchgastric', 'size', 65),
        ('patchgastric', 'patches_per_slide', 1),
        ('pairs', 'size', 65),
        ('pairs', 'patches_per_slide', 1),
        ('slides', 'side', 300),
    ],
)
def test_another_size_is_refused(
    drawn: dict[str, Path], layout: str, name: str, value: int
) -> None:
    with pytest.raises(DataError, match=f'{name} .*, not {value}'):
        draw(layout, drawn[layout], **{name: value})


def test_another_layout_and_an_older_version_are_refused_by_name(
    drawn: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="layout 'pairs', not 'patchgastric'"):
        draw('patchgastric', drawn['pairs'])
    about = json.loads((drawn['pairs'] / 'dataset.json').read_text(encoding='utf-8'))
    (tmp_path / 'dataset.json').write_text(json.dumps({**about, 'version': 1}))
    with pytest.raises(DataError, match='version 1, not 2'):
        draw('pairs', tmp_path)


@every_layout
def test_a_file_in_the_way_is_refused(tmp_path: Path, layout: str) -> None:
    (tmp_path / 'file').write_text('x')
    with pytest.raises(CiteError, match='is a file'):
        draw(layout, tmp_path / 'file')


@pytest.mark.parametrize(
    ('layout', 'wrong'),
    [
        *[
            (layout, wrong)
            for layout in LAYOUTS
            for wrong in (
                {'slides_per_class': 0},
                {'seed': -1},
                {'workers': 0},
                {'population': 'both'},
            )
        ],
        ('patchgastric', {'patches_per_slide': 1.5}),
        ('patchgastric', {'size': 32}),
        ('pairs', {'patches_per_slide': 0}),
        ('pairs', {'size': 32}),
        ('slides', {'side': 255}),
        ('slides', {'side': 8193}),
    ],
    ids=str,
)
def test_arguments_out_of_range(tmp_path: Path, layout: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        draw(layout, tmp_path / 'set', **wrong)
    assert not (tmp_path / 'set').exists()
