from __future__ import annotations

import csv

import numpy as np
import pytest
from small_adapter import CLASSES, picture_files, write

from cite.cli import main
from cite.serving import load


@pytest.fixture(scope='module')
def adapter(tmp_path_factory):
    return write(tmp_path_factory.mktemp('adapter'))[0]


@pytest.fixture
def folder(tmp_path):
    picture_files(tmp_path / 'patches' / 'below', ['s2_a.png', 's1_b.JPG'])
    picture_files(tmp_path / 'patches', ['s1_a.png'])
    (tmp_path / 'patches' / 'notes.txt').write_text('not an image')
    return tmp_path / 'patches'


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    assert err.startswith('cite predict: error: ') and err.count('\n') == 1, err
    return err


def test_csv_has_what_the_python_door_gives(adapter, folder, tmp_path, capsys):
    out = tmp_path / 'new' / 'scores.csv'
    assert main(['predict', str(adapter), str(folder), '--out', str(out), '--device', 'cpu']) == 0
    assert f'3 patches in {out}' in capsys.readouterr().out
    with out.open(newline='') as file:
        rows = list(csv.DictReader(file))
    files = [folder / 'below' / 's1_b.JPG', folder / 'below' / 's2_a.png', folder / 's1_a.png']
    assert [row['file'] for row in rows] == [str(file) for file in files]
    wanted = load(adapter, device='cpu').predict(files)
    scores = [[float(row[f'p_{name}']) for name in CLASSES] for row in rows]
    np.testing.assert_allclose(scores, wanted.scores, atol=2e-6)
    assert [row['label'] for row in rows] == wanted.labels


def test_without_out_patches_and_slides_are_printed(adapter, folder, capsys):
    files = sorted(map(str, folder.rglob('*_*')))
    assert main(['predict', str(adapter), *files, '--batch-size', '2', '--device', 'cpu']) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.partition(': ')[0] for line in lines[:3]] == files
    assert lines[3].startswith('slide s1: ') and 'mean of 2 patches' in lines[3]
    assert err == ''  # a bar comes only where it takes long


def test_slides_are_read_off_the_paths_by_a_pattern(adapter, tmp_path, capsys):
    picture_files(tmp_path / 'tumour' / 'A7', ['1.png', '2.png'])
    words = ['predict', str(adapter), str(tmp_path / 'tumour'), '--device', 'cpu']
    assert main(words) == 0
    assert 'give --slide-pattern' in capsys.readouterr().out
    assert main([*words, '--slide-pattern', '(?P<slide>[^/]+)/[^/]+$']) == 0
    assert 'slide A7: ' in capsys.readouterr().out
    assert main([*words, '--slide-pattern', '(?P<slide>B[^/]+)/']) == 2
    assert 'no slide in the names of' in one_error(capsys)


def test_bad_input(adapter, folder, tmp_path, capsys):
    good = str(folder / 's1_a.png')
    empty = tmp_path / 'empty'
    empty.mkdir()
    text = tmp_path / 'text.png'
    text.write_text('not an image')
    pth = tmp_path / 'iter_8.pth'
    pth.write_text('a checkpoint')
    cases = [
        ([str(tmp_path / 'gone.safetensors'), good], 'gone.safetensors: no such file'),
        ([good, good], 'damaged or no safetensors'),
        ([str(pth), good], 'take adapter.safetensors'),
        ([str(adapter), str(empty)], f'no images in {empty}'),
        ([str(adapter), str(tmp_path / 'gone.png')], 'gone.png: no such file or folder'),
        ([str(adapter), good, str(text)], 'text.png: cannot be read as an image'),
        ([str(adapter), good, '--device', 'gpu'], "found 'gpu'"),
        ([str(adapter), good, '--model', 'clip-vit-b17'], 'did you mean'),
        ([str(adapter), good, '--weights', str(empty / 'w.pth')], 'no file or folder'),
        ([str(adapter), good, '--out', str(text / 'x.csv')], str(text)),
    ]
    for words, message in cases:
        assert main(['predict', *words]) == 2, words
        assert message in one_error(capsys)


def test_batch_sizes_and_workers_change_no_score(adapter, folder, tmp_path, capsys):
    written = []
    for number, words in enumerate(
        (['--batch-size', '1', '--workers', '0'], ['--batch-size', 'auto'])
    ):
        out = tmp_path / f'{number}.csv'
        shared = ['predict', str(adapter), str(folder), '--device', 'cpu', '--out', str(out)]
        assert main([*shared, *words]) == 0
        with out.open(newline='') as file:
            written.append(list(csv.DictReader(file)))
    for one, other in zip(*written, strict=True):
        assert (one['file'], one['label']) == (other['file'], other['label'])
        for name in CLASSES:
            assert abs(float(one[f'p_{name}']) - float(other[f'p_{name}'])) < 1e-5
    for words in (['--batch-size', 'many'], ['--workers', '-1']):
        with pytest.raises(SystemExit) as stopped:
            main(['predict', str(adapter), str(folder), *words])
        assert stopped.value.code == 2
        assert 'expected' in capsys.readouterr().err
