from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.data.synthetic.pyramid import write_pyramid

MPP = 0.5
SIDE, TILE = 512, 64


def draw(path: Path, seed: int, mpp: float = MPP, side: int = SIDE) -> np.ndarray:
    """A slide whose left half is stained noise, and whose right half is glass."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 244, np.uint8)
    tissue = rng.integers(0, 90, (side, side // 2, 1)) + np.array([150, 60, 130])
    pixels[:, : side // 2] = tissue
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pyramid(path, pixels, mpp, 'drawn', 95)
    return pixels


@pytest.fixture
def scans(tmp_path):
    """Two slides of each of two classes, and their table."""
    rows = ['slide,label,patient']
    for number in range(4):
        draw(tmp_path / 'scans' / f's_{number}.tif', number)
        rows.append(f's_{number},{"ab"[number % 2]},p{number}')
    (tmp_path / 'slides.csv').write_text('\n'.join(rows))
    return tmp_path


def prepare(folder: Path, *more: str) -> int:
    return main(
        [
            'prepare', 'slides', str(folder / 'scans'), '--labels', str(folder / 'slides.csv'),
            '--out', str(folder / 'mine'), '--mpp', str(MPP), '--tile-size', str(TILE), *more,
        ]
    )  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def test_patches_splits_and_fragment(scans, capsys):
    assert prepare(scans) == 0
    mine = scans / 'mine'
    rows = rows_of(mine / 'patches.csv')
    assert {row['slide'] for row in rows} == {f's_{n}' for n in range(4)}
    assert {(row['slide'], row['label'], row['patient']) for row in rows} == {
        (f's_{n}', 'ab'[n % 2], f'p{n}') for n in range(4)
    }
    # the tissue half of the grid: 8 x 4 tiles a slide, each with the pixels of its place
    assert len(rows) == 4 * 8 * 4 and all(int(row['x']) < SIDE // 2 for row in rows)
    pixels = draw(scans / 'again.tif', 0)
    for row in [row for row in rows if row['slide'] == 's_0'][::7]:
        x, y = int(row['x']), int(row['y'])
        with Image.open(mine / row['file']) as image:
            found = np.asarray(image).astype(int)
        expected = pixels[y : y + TILE, x : x + TILE].astype(int)
        assert found.shape == (TILE, TILE, 3)
        assert abs(found - expected).mean() < 12 < abs(found - pixels[:TILE, -TILE:]).mean()
    fragment = (mine / 'splits' / 'dataset.py').read_text()
    assert f'mpp = {MPP}' in fragment and f'patch_size = {TILE}' in fragment
    assert 's_0: a, 32 patches' in capsys.readouterr().out
    split = json.loads((mine / 'splits' / 'split.json').read_text())
    assert split['classes'] == ['a', 'b']


def test_the_second_time_nothing_is_cut(scans, capsys):
    prepare(scans)
    stamps = {p: p.stat().st_mtime_ns for p in (scans / 'mine' / 'patches').rglob('*.jpg')}
    capsys.readouterr()
    assert prepare(scans) == 0
    assert capsys.readouterr().out.count('there already') == 4
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    # other tiles are another question
    assert prepare(scans, '--overlap', '32', '--out', str(scans / 'other')) == 0
    assert 'there already' not in capsys.readouterr().out


def test_some_tiles_drawn_by_the_seed(scans):
    for out, seed in (('a', '0'), ('b', '0'), ('c', '1')):
        assert prepare(scans, '--most-tiles', '5', '--seed', seed, '--out', str(scans / out)) == 0
    first, again, other = (
        [row['file'] for row in rows_of(scans / out / 'patches.csv')] for out in 'abc'
    )
    assert len(first) == 20 and first == again != other


def test_a_model_s_store_is_filled(scans, monkeypatch, capsys):
    monkeypatch.setenv('CITE_CACHE', str(scans / 'cache'))
    assert prepare(scans, '--store', 'tiny-tissue') == 0
    (store,) = (scans / 'cache' / 'patches').glob('*.npy')
    assert np.load(store, mmap_mode='r').shape == (128, 3, 112, 112)
    assert str(store) in capsys.readouterr().out


def bad(folder: Path, name: str) -> None:
    scan = folder / 'scans' / 's_0.tif'
    if name == 'cut off':
        scan.write_bytes(scan.read_bytes()[:2000])
    elif name == 'white':
        write_pyramid(scan, np.full((SIDE, SIDE, 3), 244, np.uint8), MPP, 'drawn', 95)
    elif name == 'jpeg':
        Image.fromarray(draw(scan, 0)).save(folder / 's_0.jpg')
        scan.write_bytes((folder / 's_0.jpg').read_bytes())
    elif name == 'no mpp':
        draw(scan, 0, mpp=300.0)
    elif name == 'empty':
        scan.write_bytes(b'')


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('cut off', 's_0.tif'),
        ('white', 'tissue'),
        ('jpeg', 'no reader opens it'),
        ('no mpp', '--slide-mpp'),
        ('empty', 'the file is empty'),
    ],
)
def test_bad_slides_are_named_or_left_out(scans, capsys, name, expected):
    bad(scans, name)
    assert prepare(scans) == 2
    told = capsys.readouterr().err
    assert expected in told and 'Traceback' not in told and told.count('\n') == 1
    for number in (4, 5):  # or the class would have one slide left
        draw(scans / 'scans' / f's_{number}.tif', number)
    with (scans / 'slides.csv').open('a') as file:
        file.write('\ns_4,a,p4\ns_5,b,p5\n')
    assert prepare(scans, '--skip-bad') == 0
    assert 'left out: ' in capsys.readouterr().out
    assert 's_0' not in {row['slide'] for row in rows_of(scans / 'mine' / 'patches.csv')}


@pytest.mark.parametrize(
    ('table', 'expected'),
    [
        ('slide\ns_0\n', "missing columns ['label']"),
        ('slide,label\ns_0,a\nnone,b\n', '1 slides are no files: none'),
        ('slide,label\ns_0,a\ns_0,b\n', 'more than once: '),
        ('slide,label\ns_0,a\ns_1,a\n', 'one class only'),
        ('slide,label\ns_0,\n', 'line 2'),
        ('slide,label,mpp\ns_0,a,half\n', "found 'half'"),
        ('slide,label,patient\ns_0,a,p\ns_1,b,\n', 'some slides have a patient'),
        ('', 'empty'),
    ],
)
def test_bad_tables(scans, capsys, table, expected):
    (scans / 'slides.csv').write_text(table)
    assert prepare(scans) == 2
    assert expected in capsys.readouterr().err


def test_a_column_says_the_resolution(scans):
    draw(scans / 'scans' / 's_0.tif', 0, mpp=300.0)
    rows = ['slide,label,mpp', 's_0,a,1.0', 's_1,b,', 's_2,a,', 's_3,b,']
    (scans / 'slides.csv').write_text('\n'.join(rows))
    assert prepare(scans) == 0
    counts = [row['slide'] for row in rows_of(scans / 'mine' / 'patches.csv')]
    assert counts.count('s_0') > counts.count('s_1')  # more tiles where pixels are larger


def test_blurred_tiles_take_no_place_among_those_that_are_drawn(scans):
    assert prepare(scans) == 0
    sharp = {row['file']: float(row['sharpness']) for row in tiles_of(scans / 'mine')}
    middle = sorted(sharp.values())[len(sharp) // 2]
    assert (
        prepare(scans, '--most-tiles', '5', '--blur', str(middle), '--out', str(scans / 'b')) == 0
    )
    drawn = tiles_of(scans / 'b')
    assert len(drawn) == 20 and all(sharp[row['file']] >= middle for row in drawn)
    on_disk = {file.name for file in (scans / 'b' / 'patches').rglob('*.jpg')}
    assert on_disk == {row['file'] for row in drawn}  # none that a thread had cut ahead


def tiles_of(folder: Path) -> list[dict[str, str]]:
    return [row for file in sorted(folder.rglob('tiles.csv')) for row in rows_of(file)]


def test_folders_of_others_are_left_alone(scans, capsys):
    theirs = scans / 'mine' / 'patches' / 's_0' / 'notes.txt'
    theirs.parent.mkdir(parents=True)
    theirs.write_text('precious')
    assert prepare(scans, '--skip-bad') == 2
    assert 's_0' in capsys.readouterr().err and theirs.read_text() == 'precious'
    assert not (scans / 'mine' / 'patches' / 's_1').exists()


def test_too_few_slides_are_told_before_anything_is_cut(scans, capsys):
    (scans / 'slides.csv').write_text('slide,label\ns_0,a\ns_1,b\n')
    assert prepare(scans) == 2
    assert 'too few' in capsys.readouterr().err
    assert not (scans / 'mine').exists()


def test_slides_of_one_name_are_told_by_their_folders(scans):
    for site in ('x', 'y'):
        for number in range(2):
            draw(scans / 'sites' / site / f's_{number}.tif', number)
    rows = [f'{site}/s_{n}.tif,{"ab"[n]}' for site in 'xy' for n in range(2)]
    (scans / 'slides.csv').write_text('\n'.join(['slide,label', *rows]))
    assert prepare(scans) == 2  # those of the folder scans are others
    words = ['prepare', 'slides', str(scans / 'sites'), '--labels', str(scans / 'slides.csv')]
    assert main([*words, '--out', str(scans / 'mine'), '--mpp', str(MPP), '--tile-size', '64']) == 0
    found = rows_of(scans / 'mine' / 'patches.csv')
    assert len({row['slide'] for row in found}) == 4


@pytest.mark.parametrize('mpp', ['-3', '0', 'nan', '400'])
def test_a_resolution_of_no_microscope_names_its_line(scans, capsys, mpp):
    (scans / 'slides.csv').write_text(f'slide,label,mpp\ns_0,a,{mpp}\ns_1,b,\n')
    assert prepare(scans, '--skip-bad') == 2
    assert 'line 2' in capsys.readouterr().err and not (scans / 'mine').exists()


def test_what_the_files_say_stands_against_an_option_for_all(scans):
    assert prepare(scans) == 0
    assert prepare(scans, '--slide-mpp', '1.0', '--out', str(scans / 'same')) == 0
    first, second = (rows_of(scans / name / 'patches.csv') for name in ('mine', 'same'))
    assert first == second


@pytest.mark.parametrize(
    'option',
    [('--overlap', '64'), ('--tissue', '2'), ('--mpp', '-1'), ('--store', 'no-such-model')],
)
def test_bad_options(scans, capsys, option):
    assert prepare(scans, *option) == 2
    assert 'Traceback' not in capsys.readouterr().err
