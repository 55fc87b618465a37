"""`cite prepare patchgastric` from an archive, from the real caption file, and as the original did."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.data import Split, read_csv

SUBTYPES = (
    'Well differentiated tubular adenocarcinoma',
    'Moderately differentiated tubular adenocarcinoma',
    'Poorly differentiated adenocarcinoma, solid type',
    'Papillary adenocarcinoma',
)
SHOTS = ('--shots', '1', '2', '--eval-fraction', '0.5')


def jpeg():
    out = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(out, 'JPEG')
    return out.getvalue()


PATCH = jpeg()


@pytest.fixture
def root(tmp_path):
    """captions.csv of 4 × 4 slides, and an archive in which slide i has 2 + i % 4 patches."""
    root = tmp_path / 'set'
    root.mkdir()
    with (root / 'captions.csv').open('w', newline='') as file:
        rows = [(f'{i:032x}', SUBTYPES[i % 4], 'text') for i in range(16)]
        csv.writer(file).writerows([('id', 'subtype', 'text'), *rows])
    with zipfile.ZipFile(root / 'patches_captions.zip', 'w') as archive:
        for i in range(16):
            for k in range(2 + i // 4):
                archive.writestr(f'patches_captions/{i:032x}_{k}.jpg', PATCH)
        archive.writestr('patches_captions/lost_0.jpg', PATCH)
        archive.writestr('patches_captions/Thumbs.db', b'x')
    return root


def prepare(root, *words):
    return main(['prepare', 'patchgastric', str(root), *SHOTS, *map(str, words)])


def refused(capsys, root, *words):
    capsys.readouterr()
    assert prepare(root, *words) == 2
    err = capsys.readouterr().err
    assert err.startswith('cite prepare: error: ') and err.count('\n') == 1, err
    return err


def test_from_the_archive_and_again(root, capsys):
    assert prepare(root) == 0
    shown = capsys.readouterr().out
    assert '42 patches unpacked, 0 were there already, 15 of slides that are not used' in shown
    assert 'other subtype: Papillary adenocarcinoma (4 slides, 14 patches)' in shown
    assert 'patches without a slide in the caption file (1): lost_0.jpg' in shown
    assert len(list((root / 'patches_captions').iterdir())) == 42
    report = (root / 'splits' / 'report.txt').read_text()
    assert report in shown
    # complete: the archive is not read again
    assert prepare(root) == 0
    assert 'unpacked' not in capsys.readouterr().out
    assert (root / 'splits' / 'report.txt').read_text() == report
    # the folder alone, without what stayed in the archive
    (root / 'patches_captions.zip').rename(root / 'elsewhere.zip')
    for path in list((root / 'patches_captions').iterdir())[:5]:
        path.unlink()
    assert prepare(root, '--zip', root / 'elsewhere.zip') == 0
    assert '5 patches unpacked, 37 were there already' in capsys.readouterr().out


def test_archives_and_patches_that_are_damaged(root, tmp_path, capsys):
    path = root / 'patches_captions.zip'
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 'not a whole ZIP file' in refused(capsys, root)
    assert not (root / 'patches_captions').exists()
    path.write_bytes(whole)
    bad = f'{0:032x}_bad.jpg'
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr(bad, b'no image')
    err = refused(capsys, root)
    assert f'1 of 43 patches cannot be read: {bad}: does not decode' in err and '--skip-bad' in err
    assert prepare(root, '--skip-bad') == 0
    shown = capsys.readouterr().out
    assert '0 patches unpacked, 42 were there already' in shown
    assert f'patches that cannot be read (1): {bad}' in shown
    assert prepare(root, '--no-check-images', '--out', tmp_path / 'unchecked') == 0
    val = read_csv(tmp_path / 'unchecked' / 'val.csv', root)
    rest = read_csv(tmp_path / 'unchecked' / 'train_all.csv', root)
    assert len(val) + len(rest) == 43


def test_a_folder_is_decoded_on_demand(root, tmp_path, capsys):
    assert prepare(root) == 0
    (root / 'patches_captions.zip').unlink()
    name = f'{0:032x}_0.jpg'
    (root / 'patches_captions' / name).write_bytes(b'no image')
    assert prepare(root) == 0
    err = refused(capsys, root, '--check-images')
    assert '1 of 42 patches cannot be read' in err and name in err
    assert prepare(root, '--check-images', '--skip-bad', '--out', tmp_path / 'x') == 0
    assert f'patches that cannot be read (1): {name}' in capsys.readouterr().out
    shutil.rmtree(root / 'patches_captions')
    assert 'has neither patches_captions/ nor patches_captions.zip' in refused(capsys, root)


def test_a_cap_is_recorded_and_makes_other_files(root, tmp_path, capsys):
    assert prepare(root) == 0
    assert 'other patches' in refused(capsys, root, '--max-patches-per-slide', '2')
    out = tmp_path / 'capped'
    assert prepare(root, '--max-patches-per-slide', '2', '--out', out) == 0
    assert 'at most 2 patches of each training slide' in capsys.readouterr().out
    splits = [Split.load(folder / 'split.json').hash for folder in (out, root / 'splits')]
    records = [json.loads((f / 'prepare.json').read_text()) for f in (out, root / 'splits')]
    assert splits[0] == splits[1]
    assert [r['options']['max_patches_per_slide'] for r in records] == [2, None]
    assert records[0]['manifests']['val.csv'] == records[1]['manifests']['val.csv']
    assert records[0]['manifests']['train_2.csv'] != records[1]['manifests']['train_2.csv']


def test_as_the_original_did(root, capsys):
    assert prepare(root, '--protocol', 'original') == 0
    shown = capsys.readouterr().out
    assert 'warning: protocol original. The k shots are the k slides with the most patches' in shown
    out = root / 'gastric_cls3_ann'
    names = {path.name for path in out.glob('*.txt')}
    assert names == {
        'val_0.5.txt', 'train_all_0.5.txt', 'train_1_0.5.txt', 'train_2_0.5.txt', 'report.txt',
    }  # fmt: skip
    line = (out / 'val_0.5.txt').read_text().splitlines()[0]
    file, label = line.split()
    assert (root / 'patches_captions' / file).is_file() and label == '0'
    assert prepare(root, '--protocol', 'original') == 0
    assert 'holds other lines' in refused(capsys, root, '--protocol', 'original', '--seed', '5')
    cap = ('--protocol', 'original', '--max-patches-per-slide', '2')
    assert 'does not go with --protocol original' in refused(capsys, root, *cap)


def test_the_real_captions(real_data, tmp_path, capsys):
    real = real_data('patchgastric/captions.csv')
    root = tmp_path / 'real'
    (root / 'patches_captions').mkdir(parents=True)
    shutil.copy(real, root / 'captions.csv')
    with real.open(encoding='utf-8', newline='') as file:
        slides = [row['id'] for row in csv.DictReader(file)]
    for i, slide in enumerate(slides[1:]):  # the first has none
        for k in range(1 + i % 3):
            (root / 'patches_captions' / f'{slide}_{k}.jpg').touch()
    (root / 'patches_captions' / f'{"0" * 32}_0.jpg').touch()
    assert main(['prepare', 'patchgastric', str(root)]) == 0
    shown = capsys.readouterr().out
    for words in (
        '991 slides with a caption, 693 of the three classes (283 / 265 / 145)',
        'other subtype: Papillary adenocarcinoma (135 slides',
        'spans two grades: Moderately to poorly differentiated adenocarcinoma (81 slides',
        'names two diagnoses: Poorly differentiated adenocarcinoma, solid type. Moderately',
        f'slides without patches (1): {slides[0]}',
        f'patches without a slide in the caption file (1): {"0" * 32}_0.jpg',
        'PatchGastric has no patient column',
    ):
        assert words in shown, words
    counts = {}
    for line in shown.splitlines():
        if line.startswith(('val', 'train_')):
            part, *cells = line.split()
            counts[part] = [int(cell) for cell in cells[:9:3]]
    assert counts['train_16'] == [16, 16, 16]
    assert counts['val'] == [
        226,
        212,
        116,
    ]  # four fifths of 282, 265, 145: the first is without patches
    assert [sum(c) for c in zip(counts['val'], counts['train_all'], strict=True)] == [282, 265, 145]
