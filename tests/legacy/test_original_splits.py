"""The published split without its fixtures; tests/parity compares it with them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from repo import REPO

from cite.data.patchgastric import CLASS_OF_SUBTYPE
from cite.data.readers import read_annotation
from cite.errors import ConfigError, DataError
from cite.legacy.splits import Line, slides_of_shots, write_original

SUBTYPES = [*CLASS_OF_SUBTYPE, 'Papillary adenocarcinoma']


@pytest.fixture
def root(tmp_path):
    """10 slides of each subtype; slide number i has i + 1 patches."""
    (tmp_path / 'patches_captions').mkdir()
    rows = ['id,subtype,text']
    for s, subtype in enumerate(SUBTYPES):
        for i in range(10):
            rows.append(f'{s}x{i},"{subtype}",words')
            for patch in range(i + 1):
                (tmp_path / 'patches_captions' / f'{s}x{i}_{patch}.jpg').touch()
    (tmp_path / 'captions.csv').write_text('\n'.join(rows) + '\n', encoding='utf-8')
    return tmp_path


def read(path):
    table = read_annotation(path, '.', ['well', 'moderate', 'poor'])
    return {label: set(table.slides_of(label)) for label in range(3)}, table


def test_parts(root):
    counts = write_original(root, shots=[1, 4])
    folder = root / 'gastric_cls3_ann'
    val, _ = read(folder / 'val_0.8.txt')
    rest, _ = read(folder / 'train_all_0.2.txt')
    assert [len(val[c]) for c in range(3)] == [8, 8, 16]
    assert [len(rest[c]) for c in range(3)] == [2, 2, 4]
    assert not any(val[c] & rest[c] for c in range(3))
    one, table = read(folder / 'train_1_0.2.txt')
    sizes = {slide: (table.slides == slide).sum() for slides in one.values() for slide in slides}
    for label in range(3):
        (slide,) = one[label]
        assert sizes[slide] == max(int(name.split('x')[1]) + 1 for name in rest[label])
    assert {c.part for c in counts} == {'val_0.8', 'train_all_0.2', 'train_1_0.2', 'train_4_0.2'}
    (well,) = [c for c in counts if c.part == 'train_1_0.2' and c.name.startswith('well')]
    assert (well.slides, well.patches) == (1, sizes[next(iter(one[0]))])


def test_the_default_order_is_the_same_everywhere(root, tmp_path):
    names = sorted(path.name for path in (root / 'patches_captions').iterdir())
    write_original(root, tmp_path / 'a')
    write_original(root, tmp_path / 'b', listing=names)
    write_original(root, tmp_path / 'c', listing=names[::-1])
    a, b, c = ((tmp_path / f / 'train_2_0.2.txt').read_bytes() for f in 'abc')
    assert a == b != c
    assert read(tmp_path / 'a' / 'val_0.8.txt')[0] == read(tmp_path / 'c' / 'val_0.8.txt')[0]


def test_a_split_that_is_there_is_never_replaced(root):
    write_original(root)
    folder = root / 'gastric_cls3_ann'
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_original(root)
    names = sorted(path.name for path in (root / 'patches_captions').iterdir())
    for change in ({'listing': names[::-1]}, {'seed': 1}, {'by_patch_count': False}):
        with pytest.raises(DataError, match=r'holds other lines; nothing was written.*--out'):
            write_original(root, shots=[1, 2, 3], **change)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_drawing_patches_favours_large_slides_and_may_give_fewer():
    training = [Line(f'{c}big_{i}.jpg', c) for c in range(3) for i in range(50)]
    training += [Line(f'{c}small_0.jpg', c) for c in range(3)]
    drawn = {line.slide for line in slides_of_shots(training, 2, by_patch_count=False)}
    assert drawn == {'0big', '1big', '2big'}
    assert len({line.slide for line in slides_of_shots(training, 2)}) == 6


def test_bad_input(root):
    with pytest.raises(ConfigError, match='between 0 and 1, found 1'):
        write_original(root, val=1)
    with pytest.raises(DataError, match='no training patches of well'):
        write_original(root, val=0.99, listing=['0x0_0.jpg', '1x0_0.jpg', '2x0_0.jpg'])
    with pytest.raises(DataError, match='51 are to be drawn'):
        slides_of_shots([Line('a_0.jpg', c) for c in range(3)], 51, by_patch_count=False)
    (root / 'captions.csv').unlink()
    with pytest.raises(DataError, match=r'captions.csv: no such file'):
        write_original(root)


def test_the_tool_of_the_old_name(root):
    def ann(*words):
        return subprocess.run(
            [sys.executable, REPO / 'tools' / 'ann.py', *map(str, words)],
            cwd=root,
            env={'PYTHONPATH': str(REPO)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = ann('--data-path', root)
    assert done.returncode == 0, done.stderr
    assert 'train_16_0.2' in done.stdout and 'val_0.8' in done.stdout
    made = (root / 'gastric_cls3_ann' / 'train_16_0.2.txt').read_bytes()
    write_original(root, root / 'again')
    assert (root / 'again' / 'train_16_0.2.txt').read_bytes() == made
    failed = ann('--data-path', root / 'nowhere')
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1
    assert 'no such file' in failed.stderr
