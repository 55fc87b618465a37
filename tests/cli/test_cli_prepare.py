from __future__ import annotations

import csv
import json
import shutil

import pytest
from PIL import Image

from cite.cli import main
from cite.data.patchgastric import PATCHGASTRIC_CLASSES

SYNTHETIC = ('--slides-per-class', '4', '--patches-per-slide', '1')
SHOTS = ('--shots', '1', '2', '--eval-fraction', '0.5')


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp('synthetic') / 'set'
    assert main(['prepare', 'synthetic', str(root), *SYNTHETIC]) == 0
    return root


@pytest.fixture
def root(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / 'set')


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    assert err.startswith('cite prepare: error: ') and err.count('\n') == 1, err
    return err


def test_synthetic_set_then_split(root, capsys):
    assert len(list((root / 'patches_captions').glob('*.jpg'))) == 3 * 4
    assert main(['prepare', 'patchgastric', str(root), *SHOTS]) == 0
    shown = capsys.readouterr().out
    assert next(line.split()[:4] for line in shown.splitlines() if line.startswith('train_2')) == [
        'train_2',
        '2',
        '/',
        '2',
    ]
    splits = root / 'splits'
    assert {p.name for p in splits.iterdir()} == {
        'split.json', 'val.csv', 'train_1.csv', 'train_2.csv', 'train_all.csv', 'report.txt',
        'prepare.json',
    }  # fmt: skip
    found = json.loads((splits / 'split.json').read_text())
    assert found['hash'][:16] in shown and 'PatchGastric has no patient column' in shown
    assert (splits / 'report.txt').read_text() in shown
    rows = {}
    for part in ('val', 'train_1', 'train_2'):
        with (splits / f'{part}.csv').open(newline='') as file:
            rows[part] = list(csv.DictReader(file))
            assert all((root / row['file']).is_file() for row in rows[part])
    assert [row['label'] for row in rows['train_1']].count(PATCHGASTRIC_CLASSES[0]) == 1
    assert len(rows['train_2']) == len(rows['val']) == 6
    for name in PATCHGASTRIC_CLASSES:
        assert name in shown
    assert not {row['slide'] for row in rows['val']} & {row['slide'] for row in rows['train_2']}


def test_again_changes_nothing(root):
    prepare = ['prepare', 'patchgastric', str(root), *SHOTS]
    assert main(prepare) == 0
    before = contents(root)
    assert main(prepare) == 0
    assert main(['prepare', 'synthetic', str(root), *SYNTHETIC]) == 0
    assert contents(root) == before


def test_another_seed_is_another_split_and_overwrites_none(root, tmp_path, capsys):
    prepare = ['prepare', 'patchgastric', str(root), *SHOTS]
    assert main(prepare) == 0
    before = contents(root)
    capsys.readouterr()
    assert main([*prepare, '--seed', '1']) == 2
    message = one_error(capsys)
    assert 'holds another split' in message and '--out' in message and 'seed 1' in message
    assert contents(root) == before

    other = tmp_path / 'seed 1'
    assert main([*prepare, '--seed', '1', '--out', str(other)]) == 0
    hashes = [
        json.loads((folder / 'split.json').read_text())['hash']
        for folder in (root / 'splits', other)
    ]
    assert hashes[0] != hashes[1]


def test_other_shots_or_a_damaged_split_are_refused(root, capsys):
    prepare = ['prepare', 'patchgastric', str(root), '--eval-fraction', '0.5', '--shots', '1']
    assert main(prepare) == 0
    before = contents(root)
    capsys.readouterr()
    assert main([*prepare, '2']) == 2
    assert 'shots 1, all' in one_error(capsys)
    assert contents(root) == before
    path = root / 'splits' / 'split.json'
    path.write_text(path.read_text()[:-20])
    assert main(prepare) == 2
    assert 'not a split file' in one_error(capsys)


@pytest.mark.parametrize(
    'change', [('--seed', '1'), ('--slides-per-class', '5'), ('--patches-per-slide', '2')]
)
def test_another_synthetic_set_overwrites_none(root, capsys, change):
    before = contents(root)
    assert main(['prepare', 'synthetic', str(root), *SYNTHETIC, *change]) == 2
    assert 'nothing was written' in one_error(capsys)
    assert contents(root) == before


def test_synthetic_spares_a_folder_of_something_else(tmp_path, capsys):
    (tmp_path / 'thesis.txt').write_text('years of work')
    assert main(['prepare', 'synthetic', str(tmp_path), *SYNTHETIC]) == 2
    assert 'nothing was written' in one_error(capsys)
    assert contents(tmp_path) == {'thesis.txt': b'years of work'}


def test_bad_input(root, tmp_path, capsys):
    prepare = ['prepare', 'patchgastric', str(root)]
    cases = [
        (['prepare', 'patchgastric', str(tmp_path / 'gone')], 'captions.csv: no such file'),
        ([*prepare, '--shots', '9'], 'shots need 9 training slides'),
        ([*prepare, '--shots', '1', '--eval-fraction', '1.5'], 'between 0 and 1'),
        ([*prepare, '--shots', '1', '--eval-fraction', 'nan'], 'between 0 and 1'),
    ]
    for words, message in cases:
        assert main(words) == 2
        assert message in one_error(capsys)
    (root / 'captions.csv').write_text('name,grade\na,b\n')
    assert main(prepare) == 2
    assert 'missing columns' in one_error(capsys)
    assert not (root / 'splits').exists()


def test_places_that_cannot_be_written(root, tmp_path, monkeypatch, capsys):
    file = tmp_path / 'file'
    file.touch()
    assert main(['prepare', 'synthetic', str(file), *SYNTHETIC]) == 2
    assert 'is a file' in one_error(capsys)
    assert main(['prepare', 'synthetic', str(file / 'below'), *SYNTHETIC]) == 2
    assert str(file / 'below') in one_error(capsys)
    assert main(['prepare', 'patchgastric', str(root), *SHOTS, '--out', str(file)]) == 2
    assert str(file) in one_error(capsys)

    def denied(path, *args, **kwargs):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr('pathlib.Path.mkdir', denied)
    assert main(['prepare', 'patchgastric', str(root), *SHOTS]) == 2
    assert 'splits: Permission denied' in one_error(capsys)


def test_full_disk_leaves_no_half_file(tmp_path, monkeypatch, capsys):
    def full(self, where, *args, **kwargs):
        where.write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Image.Image, 'save', full)
    assert main(['prepare', 'synthetic', str(tmp_path / 'set'), *SYNTHETIC]) == 2
    assert 'No space left on device' in one_error(capsys)
    assert not list((tmp_path / 'set' / 'patches_captions').iterdir())


def test_interrupted_drawing_goes_on(drawn, tmp_path, monkeypatch, capsys):
    from cite.data.synthetic import drawing as module

    root = tmp_path / 'set'
    drawing = module.draw_patches
    done = []

    def until_interrupted(task):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(task)
        return drawing(task)

    monkeypatch.setattr(module, 'draw_patches', until_interrupted)
    assert main(['prepare', 'synthetic', str(root), *SYNTHETIC]) == 130
    assert capsys.readouterr().err == 'cite prepare: interrupted\n'
    assert not (root / 'captions.csv').exists()
    monkeypatch.undo()
    assert main(['prepare', 'synthetic', str(root), *SYNTHETIC]) == 0
    assert contents(root) == contents(drawn)
