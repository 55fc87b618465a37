"""`cite prepare folder` and `csv` on made-up tiles."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.data import Split, read_csv

SLIDES = ('--slide-pattern', r'(?P<slide>[^/]+)/[^/]+$')
COLUMNS = (
    '--file-column', 'path', '--label-column', 'diagnosis', '--slide-column', 'slide_id',
    '--patient-column', 'case',
)  # fmt: skip
SIZE = 24


def tile(seed):
    coarse = np.random.default_rng(seed).integers(60, 250, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """2 classes × 6 slides × 2 tiles, 2 slides of a patient; the last patient's slides are for testing."""
    root = tmp_path_factory.mktemp('own')
    rows = []
    for number, (name, slide, k) in enumerate(
        (name, slide, k) for name in ('stroma', 'tumour') for slide in range(6) for k in range(2)
    ):
        path = root / 'tiles' / name / f'{name[0]}{slide}' / f'{k}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        tile(number).save(path)
        file = path.relative_to(root).as_posix()
        side = 'train' if slide < 4 else 'test'
        rows.append((file, name, f'{name[0]}{slide}', f'P{slide // 2}{name[0]}', side))
    header = ('path', 'diagnosis', 'slide_id', 'case', 'split')
    for name, skip in (('given.csv', 0), ('free.csv', 1)):
        with (root / name).open('w', newline='') as file:
            csv.writer(file).writerows(row[: len(row) - skip] for row in (header, *rows))
    return root


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made, tmp_path / 'own')


def prepare(*words):
    return main(['prepare', *map(str, words)])


def refused(capsys, *words):
    capsys.readouterr()
    assert prepare(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith('cite prepare: error: ') and err.count('\n') == 1, err
    return err


def test_a_folder_of_classes(root, capsys):
    assert prepare('folder', root / 'tiles', *SLIDES, '--mpp', '0.5') == 0
    shown = capsys.readouterr().out
    out = root / 'tiles_splits'
    assert (out / 'report.txt').read_text() in shown
    for words in (
        '24 patches, 12 slides, 2 classes (the slide of stroma/s0/0.png is s0)',
        'patch size: 24 × 24 pixels',
        'microns per pixel: 0.5',
        'by slide. No patients are named',
    ):
        assert words in shown
    split = Split.load(out / 'split.json')
    assert split.parts == ('val', 'train_1', 'train_all')  # as many shots as there are slides for
    val = read_csv(out / 'val.csv', root / 'tiles')
    val.check_files()
    assert len(val) == 2 * 5 * 2
    record = json.loads((out / 'prepare.json').read_text())['options']
    assert (record['mpp'], record['patch_size']) == (0.5, SIZE)


def test_patients_stay_together(root, capsys):
    words = ('csv', root / 'free.csv', *COLUMNS, '--eval-fraction', '0.6')
    assert prepare(*words) == 0
    assert 'by patient' in capsys.readouterr().out
    parts = [read_csv(root / 'splits' / f'{name}.csv', root) for name in ('val', 'train_all')]
    assert [len(set(part.patients)) for part in parts] == [4, 2]
    assert not set(parts[0].patients) & set(parts[1].patients)
    pattern = r'/(?P<patient>[st])\d/'
    err = refused(capsys, *words[:-4], '--patient-pattern', pattern, '--out', root / 'x')
    assert "'stroma' has 1 patients, too few" in err


def test_patches_for_choosing_models_are_reported_as_left_out(root, capsys):
    path = root / 'given.csv'
    lines = [
        line.replace(',train', ',val') if ',t1,' in line or ',t0,' in line else line
        for line in path.read_text().splitlines()
    ]
    path.write_text('\n'.join([*lines, '']))
    assert prepare('csv', path, *COLUMNS) == 0
    left_out = "left out, 'split' says val, and test evaluates: 4 patches\n"
    assert left_out in capsys.readouterr().out
    assert left_out in (root / 'splits' / 'report.txt').read_text()


def test_a_split_that_is_given_is_kept(root, capsys):
    assert prepare('csv', root / 'given.csv', *COLUMNS) == 0
    shown = capsys.readouterr().out
    assert "as column 'split' says, by patient" in shown and 'left out' not in shown
    split = Split.load(root / 'splits' / 'split.json')
    assert split.evaluation == {'stroma': ('s4', 's5'), 'tumour': ('t4', 't5')}
    assert list(split.train) == ['1', '2', '4', 'all']
    words = ('csv', root / 'given.csv', *COLUMNS, '--redraw', '--out', root / 'x')
    assert prepare(*words, '--eval-fraction', '0.6') == 0
    assert Split.load(root / 'x' / 'split.json').evaluation != split.evaluation
    assert 'column' not in capsys.readouterr().out
    path = root / 'given.csv'
    path.write_text(path.read_text().replace('stroma,s4,P2s,test', 'stroma,s4,P1s,test'))
    assert 'patients in more than one split' in refused(capsys, *words[:-3], '--out', root / 'y')
    path.write_text(path.read_text().replace(',test\n', ',held out\n'))
    assert 'holds train, and val or test' in refused(
        capsys, 'csv', path, *COLUMNS[:-2], '--out', root / 'y'
    )


def test_the_same_folder_twice_and_in_another_order(root, capsys):
    words = ('csv', root / 'free.csv', *COLUMNS, '--eval-fraction', '0.6', '--no-duplicates')
    assert prepare(*words) == 0
    before = {path.name: path.read_bytes() for path in (root / 'splits').iterdir()}
    header, *rows = (root / 'free.csv').read_text().splitlines()
    (root / 'free.csv').write_text('\n'.join([header, *rows[::-1]]) + '\n')
    assert prepare(*words, '--workers', '1') == 0
    after = {path.name: path.read_bytes() for path in (root / 'splits').iterdir()}
    assert before == after
    assert 'differ' in refused(capsys, *words, '--max-patches-per-slide', '1')
    assert prepare(*words, '--max-patches-per-slide', '1', '--out', root / 'capped') == 0
    capped = json.loads((root / 'capped' / 'prepare.json').read_text())
    assert capped['options']['max_patches_per_slide'] == 1
    assert len(read_csv(root / 'capped' / 'train_all.csv', root)) == 4


def copy_turned(root, source, target):
    picture = Image.open(root / 'tiles' / source)
    picture.transpose(Image.Transpose.ROTATE_90).save(root / 'tiles' / target)


def test_the_same_picture_on_both_sides_is_refused_or_allowed(root, capsys):
    words = ('folder', root / 'tiles', *SLIDES, '--eval-fraction', '0.5', '--seed')
    split = {}
    for seed in ('0', '1'):
        assert prepare(*words, seed, '--out', root / seed) == 0
        split[seed] = Split.load(root / seed / 'split.json')
    held_out, training = split['0'].evaluation['tumour'][0], split['0'].train['all']['tumour'][0]
    copy_turned(root, f'tumour/{held_out}/0.png', f'tumour/{training}/9.png')
    copy_turned(root, 'stroma/s0/0.png', 'stroma/s0/9.png')
    err = refused(capsys, *words, '0', '--out', root / 'x')
    assert f'tumour/{training}/9.png and tumour/{held_out}/0.png' in err
    assert 'in training and evaluation' in err and '--allow-duplicates' in err
    assert not (root / 'x').exists()
    assert prepare(*words, '0', '--out', root / 'x', '--allow-duplicates') == 0
    shown = capsys.readouterr().out
    assert 'warning: the same picture in training and evaluation (1)' in shown
    assert 'duplicates: 1 patches repeat another of their slide' in shown
    assert prepare(*words, '0', '--out', root / 'y', '--no-duplicates') == 0
    copy_turned(root, 'stroma/s0/0.png', 'tumour/t0/8.png')
    assert 'under two classes, stroma/s0/0.png and tumour/t0/8.png' in refused(
        capsys, *words, '0', '--out', root / 'z', '--allow-duplicates'
    )


def test_blank_tiles_only_warn(root, capsys):
    for name in ('stroma/s0', 'stroma/s5', 'tumour/t1'):
        Image.new('RGB', (SIZE, SIZE), 'white').save(root / 'tiles' / name / 'blank.png')
    assert prepare('folder', root / 'tiles', *SLIDES) == 0
    shown = capsys.readouterr().out
    assert 'warning: blank tiles, nearly of one colour (3): stroma/s0/blank.png' in shown
    assert 'the same picture' not in shown


def test_images_that_cannot_be_read(root, capsys):
    (root / 'tiles/tumour/t0/0.png').write_bytes(b'no image')
    words = ('folder', root / 'tiles', *SLIDES)
    err = refused(capsys, *words)
    assert '1 of 24 patches cannot be read' in err and 'tumour/t0/0.png' in err
    assert '1 of 24' in refused(capsys, *words, '--no-duplicates', '--check-images')
    assert prepare(*words, '--skip-bad') == 0
    assert 'left out, 1 of 24' in (root / 'tiles_splits' / 'report.txt').read_text()
    assert prepare('csv', root / 'given.csv', *COLUMNS, '--skip-bad') == 0
    assert Split.load(root / 'splits' / 'split.json').evaluation['tumour'] == ('t4', 't5')
    assert prepare(*words, '--no-duplicates', '--out', root / 'unread') == 0


def test_what_does_not_fit_is_named(root, capsys):
    folder, table = ('folder', root / 'tiles'), ('csv', root / 'free.csv')
    cases = [
        ([*folder], 'no slide in the names of stroma/s0/0.png'),
        ([*folder, *SLIDES, '--patch-is-slide'], '--patch-is-slide and --slide-pattern do not go'),
        ([*folder, *SLIDES, '--patch-size', '300'], 'the sizes are 24 × 24 (24 images)'),
        ([*folder, *SLIDES, '--classes', 'tumour'], "one class only, 'tumour'"),
        ([*folder, *SLIDES, '--shots', '9'], '9 shots need 9 training slides'),
        ([*folder, *SLIDES, '--out', root / 'tiles' / 'splits'], 'every folder is a class'),
        ([*table], "no column 'file', found ['path', 'diagnosis'"),
        ([*table, *COLUMNS[:4]], '--slide-column, or give --slide-pattern or --patch-is-slide'),
        ([*table, *COLUMNS, '--split-column', 'fold'], "no column 'fold'"),
        ([*table, *COLUMNS, *SLIDES], '--slide-column and --slide-pattern do not go together'),
        ([*table, *COLUMNS, '--root', root / 'tiles'], '24 of 24 files are not under'),
        ([*table, *COLUMNS[:-2], '--classes', 'stroma', 'glands'], "unknown labels 'tumour'"),
    ]
    for words, message in cases:
        assert message in refused(capsys, *words)
    assert not (root / 'splits').exists() and not (root / 'tiles_splits').exists()


def test_every_patch_a_slide_of_its_own(root, capsys):
    words = ('--patch-is-slide', '--file-column', 'path', '--label-column', 'diagnosis')
    assert prepare('csv', root / 'free.csv', *words) == 0
    shown = capsys.readouterr().out
    assert '24 patches, 24 slides' in shown and 'by patch. Patches of one slide may be' in shown
    assert prepare('folder', root / 'tiles', '--patch-is-slide') == 0
