from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from small_adapter import CLASSES, picture_files, write

from cite.attribution import METHODS
from cite.cli import explain as verb
from cite.cli import main
from cite.serving import load


@pytest.fixture(scope='module')
def adapter(tmp_path_factory):
    return write(tmp_path_factory.mktemp('adapter'))[0]


@pytest.fixture
def patches(tmp_path):
    picture_files(tmp_path / 'patches' / 'more', ['b.png', 'a.png'])
    return picture_files(tmp_path / 'patches', ['a.png', 'patches.png'])[0].parent


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    assert err.startswith('cite explain: error: ') and err.count('\n') == 1, err
    return err


def test_the_verb_offers_every_method():
    assert sorted(verb.METHODS) == METHODS.names()


def test_a_picture_per_image_and_a_sheet_of_all(adapter, patches, tmp_path, capsys):
    out = tmp_path / 'new' / 'explain'
    words = ['explain', str(patches), '--adapter', str(adapter), '--out', str(out)]
    assert main([*words, '--method', 'scores', 'rollout', '--device', 'cpu']) == 0
    assert f'4 pictures, patches.png and scores.csv in {out}' in capsys.readouterr().out
    # two images of one stem, and one called as the sheet is
    names = {'a.png', 'a-2.png', 'b.png', 'patches-2.png', 'patches.png', 'scores.csv'}
    assert {path.name for path in out.iterdir()} == names
    with (out / 'scores.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    wanted = load(adapter, device='cpu').predict([row['file'] for row in rows]).scores
    scores = [[float(row[f'p_{name}']) for name in CLASSES] for row in rows]
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    with Image.open(out / 'a.png') as picture, Image.open(out / 'a-2.png') as other:
        assert picture.width > 4 * 300 and picture.tobytes() != other.tobytes()


def test_chosen_classes_make_fewer_columns(adapter, patches, tmp_path):
    widths = []
    for words in ([], ['--class', 'poorly', '--contrast']):
        out = tmp_path / str(len(words))
        image = str(patches / 'a.png')
        assert main(['explain', image, '--adapter', str(adapter), '--out', str(out), *words]) == 0
        assert not (out / 'patches.png').exists()
        with Image.open(out / 'a.png') as picture:
            widths.append(picture.width)
    assert widths[1] < widths[0] * 0.7


def test_a_pair_and_texts(patches, tmp_path):
    out = tmp_path / 'out'
    words = ['explain', str(patches / 'a.png'), '--model', 'tiny-tissue', '--out', str(out)]
    assert main([*words, '--texts', 'Tubular glands.', 'No glands.']) == 0
    with (out / 'scores.csv').open(newline='') as file:
        assert set(next(csv.DictReader(file))) >= {'p_Tubular glands.', 'p_No glands.'}


def test_mistakes_are_one_line(adapter, patches, tmp_path, capsys):
    image, out = str(patches / 'a.png'), ['--out', str(tmp_path / 'out')]
    of_adapter = ['explain', image, '--adapter', str(adapter), *out]
    assert main(['explain', image, *out]) == 2
    assert '--model plip --texts' in one_error(capsys)
    assert main(['explain', image, '--model', 'tiny-tissue', *out]) == 2
    assert '--texts' in one_error(capsys)
    assert main([*of_adapter, '--class', 'bad']) == 2
    assert "no class 'bad'; the model has: well; moderately; poorly" in one_error(capsys)
    (patches / 'a.png').write_bytes(b'broken')
    assert main(of_adapter) == 2
    assert str(patches / 'a.png') in one_error(capsys)
    with pytest.raises(SystemExit) as stop:
        main([*of_adapter, '--method', 'guess'])
    assert stop.value.code == 2
