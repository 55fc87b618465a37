from __future__ import annotations

import csv
import hashlib
import json

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
    names = {
        'a.png',
        'a-2.png',
        'b.png',
        'patches-2.png',
        'patches.png',
        'scores.csv',
        'explain.json',
    }
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


def test_the_record_says_what_was_asked(adapter, patches, tmp_path):
    out, image = tmp_path / 'out', str(patches / 'a.png')
    words = ['explain', image, '--adapter', str(adapter), '--out', str(out), '--contrast']
    assert main([*words, '--class', 'poorly']) == 0
    record = json.loads((out / 'explain.json').read_text())
    assert record['adapter_digest'] == hashlib.sha256(adapter.read_bytes()).hexdigest()
    assert record['methods'] == ['scores'] and record['contrast'] and record['finished']
    assert record['classes_asked_for'] == ['poorly'] and record['texts'] is None
    assert record['images'] == [image] and 'torch' in record['versions']
    texts = ['Glands.', 'No glands.']
    words = ['explain', image, '--model', 'tiny-tissue', '--out', str(out), '--texts', *texts]
    assert main(words) == 0
    record = json.loads((out / 'explain.json').read_text())
    assert record['texts'] == texts and record['model'] == 'tiny-tissue'
    assert record['adapter_digest'] is None and len(record['model_digest']) >= 16


def test_a_folder_holds_one_question(adapter, patches, tmp_path):
    out = patches / 'explained'  # below the images, where its pictures are no images
    (out).mkdir()
    (out / 'notes.txt').write_text('mine')
    words = ['explain', '--adapter', str(adapter), '--out', str(out)]
    assert main([*words, str(patches)]) == 0
    assert main([*words, str(patches)]) == 0
    assert len(json.loads((out / 'explain.json').read_text())['images']) == 4
    assert main([*words, str(patches / 'more' / 'b.png')]) == 0
    assert {path.name for path in out.iterdir()} == {
        'b.png', 'scores.csv', 'explain.json', 'notes.txt',
    }  # fmt: skip


def test_only_files_of_the_folder_itself_are_removed(adapter, patches, tmp_path):
    out, image = tmp_path / 'out', str(patches / 'a.png')
    out.mkdir()
    for name in ('../kept.txt', 'kept.txt', 'old.png'):
        (out / name).write_text('x')
    listed = ['../kept.txt', str(tmp_path / 'kept.txt'), '..', '', 7, 'old.png']
    record = {'writer': 'cite explain', 'files': listed}
    (out / 'explain.json').write_text(json.dumps(record))
    words = ['explain', image, '--adapter', str(adapter), '--out', str(out)]
    assert main([*words, '--class', 'bad']) == 2 and (out / 'old.png').exists()
    assert main(words) == 0 and not (out / 'old.png').exists()
    assert (out / 'kept.txt').exists() and (tmp_path / 'kept.txt').exists()
    (out / 'explain.json').write_text(json.dumps({'files': ['kept.txt']}))  # of somebody else
    assert main(words) == 0 and (out / 'kept.txt').exists()


def test_images_are_never_written_over_or_removed(adapter, patches, tmp_path, capsys):
    before = (patches / 'a.png').read_bytes()
    words = ['explain', '--adapter', str(adapter), '--out']
    assert main([*words, str(patches), str(patches / 'a.png')]) == 2
    assert 'would be overwritten' in one_error(capsys)
    assert (patches / 'a.png').read_bytes() == before
    out = tmp_path / 'out'
    assert main([*words, str(out), str(patches / 'a.png')]) == 0
    capsys.readouterr()
    assert main([*words, str(out), str(out / 'a.png')]) == 2
    assert 'written by a former run' in one_error(capsys)
    assert (out / 'a.png').exists()


def test_bad_images_are_named_and_cost_no_others(adapter, patches, tmp_path, capsys):
    out = tmp_path / 'out'
    (patches / 'more' / 'b.png').write_bytes(b'broken')
    words = ['explain', str(patches), '--adapter', str(adapter), '--out', str(out)]
    assert main(words) == 1
    told = capsys.readouterr()
    assert str(patches / 'more' / 'b.png') in told.err and '1 of 4 images' in told.out
    with (out / 'scores.csv').open(newline='') as file:
        assert len(list(csv.DictReader(file))) == 3
    left = json.loads((out / 'explain.json').read_text())['left_out']
    assert list(left) == [str(patches / 'more' / 'b.png')]
    for path in patches.rglob('*.png'):
        path.write_bytes(b'broken')
    assert main(words) == 2
    assert 'none of 4 images can be read' in one_error(capsys)
    assert (out / 'scores.csv').exists()  # what was there is still of use


@pytest.mark.parametrize('texts', [['Glands.'], ['Glands.', 'No glands.', ' glands. ']])
def test_texts_are_two_or_more_that_differ(patches, tmp_path, capsys, texts):
    out = tmp_path / 'out'
    words = ['explain', str(patches), '--model', 'tiny-tissue', '--out', str(out), '--texts']
    assert main([*words, *texts]) == 2
    assert ('two texts' if len(texts) == 1 else 'twice') in one_error(capsys)
    assert not out.exists()
