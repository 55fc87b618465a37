from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image
from repo import REPO

from cite.cli import main
from cite.quality.filters import language

MODEL = 'random-vit-tiny'


@pytest.fixture
def folder(tmp_path):
    """Nine pictures of noise, two of them the same but turned."""
    images = tmp_path / 'images'
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)).save(
            images / f'{number}.png'
        )
    with Image.open(images / '3.png') as image:
        image.transpose(Image.Transpose.ROTATE_180).save(images / '8.png')
    return images


def quality(*words: object) -> int:
    return main(['quality', *map(str, words)])


def rows(path):
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    assert err.startswith('cite quality: error: ') and err.count('\n') == 1, err
    return err


def test_a_folder_is_filtered_and_left_as_it_was(folder, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    out = folder / 'quality'  # results within the folder are no part of it
    for _ in range(2):
        assert quality(folder, '--out', out) == 0
        shown = capsys.readouterr().out
        assert 'kept 8 of 9 rows' in shown and '1 the same pixels' in shown
    assert [row['file'] for row in rows(out / 'kept.csv')] == [f'{n}.png' for n in range(8)]
    assert rows(out / 'dropped.csv')[0]['match'] == '3.png'
    assert {path.name: path.read_bytes() for path in folder.glob('*.png')} == before
    assert (out / 'quality.html').stat().st_size > (out / 'quality.md').stat().st_size


def test_neighbours_are_found_by_features(folder, tmp_path, capsys):
    reference = tmp_path / 'reference'
    reference.mkdir()
    for name in ('2.png', '5.png'):
        (reference / f'r{name}').write_bytes((folder / name).read_bytes())
    features = tmp_path / 'reference.npy'
    assert main(['features', MODEL, str(reference), '--out', str(features), '--device', 'cpu']) == 0
    words = [folder, '--filters', 'neighbours', '--model', MODEL, '--device', 'cpu', '--closest']
    out = tmp_path / 'q'
    assert quality(*words, '0.9999', '--against', features, '--out', out) == 0
    dropped = rows(out / 'dropped.csv')
    assert [row['file'] for row in dropped] == ['2.png', '5.png']
    assert [row['match'].rsplit('/', 1)[-1] for row in dropped] == ['r2.png', 'r5.png']
    far = [*words, '0.9999', '--against', features, '--options', 'neighbours.drop=far']
    assert quality(*far, '--out', out) == 0
    assert [row['file'] for row in rows(out / 'kept.csv')] == ['2.png', '5.png']
    about = json.loads((out / 'results.json').read_text())['filters'][-1]['about']
    assert about['references'] == 2 and about['drop'] == 'far'
    from cite.inference import read_features
    from cite.retrieval import build_index, save_index

    table = read_features(features)
    save_index(build_index(table.features, table.names, table.record), tmp_path / 'index')
    assert quality(*words, '0.9999', '--against', tmp_path / 'index', '--out', out) == 0
    assert [row['file'] for row in rows(out / 'dropped.csv')] == ['2.png', '5.png']
    save_index(
        build_index(table.features, table.names, {**table.record, 'digest': 'f' * 64}),
        tmp_path / 'other',
    )
    assert quality(*words, '0.9999', '--against', tmp_path / 'other', '--out', out) == 2
    assert 'use the same model' in capsys.readouterr().err


def test_pathology_by_features_and_by_texts_of_a_pair(folder, tmp_path, capsys):
    rng = np.random.default_rng(1)
    for kind in ('positives', 'negatives'):
        (tmp_path / kind).mkdir()
        for number in range(12):
            side = 80 if kind == 'positives' else 5
            noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
            noise.resize((80, 80), Image.Resampling.NEAREST).save(tmp_path / kind / f'{number}.png')
    coarse = Image.open(tmp_path / 'negatives/0.png').rotate(90)
    coarse.save(folder / 'coarse.png')
    out = tmp_path / 'q'
    words = [folder, '--filters', 'pathology', '--model', 'tiny-tissue', '--device', 'cpu']
    examples = ['--positives', tmp_path / 'positives', '--negatives', tmp_path / 'negatives']
    assert quality(*words, *examples, '--target-recall', '0.9', '--out', out) == 0
    assert [row['file'] for row in rows(out / 'dropped.csv')] == ['coarse.png']
    about = json.loads((out / 'results.json').read_text())['filters'][-1]['about']
    assert about['by'] == 'features' and about['wanted'] == 0.9
    assert quality(*words, '--out', out) == 0
    result = json.loads((out / 'results.json').read_text())['filters'][-1]
    assert result['about']['by'] == 'texts' and result['threshold'] == 0.5
    assert 'measured on nothing' in capsys.readouterr().out


def test_examples_are_encoded_and_never_looked_up_by_name(folder, tmp_path, capsys):
    rng = np.random.default_rng(1)
    for kind, side in (('positives', 80), ('negatives', 5)):
        (tmp_path / kind).mkdir()
        for number in range(12):
            noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
            noise.resize((80, 80), Image.Resampling.NEAREST).save(tmp_path / kind / f'{number}.png')
    for number in range(9, 12):  # so the collection has every name of the examples
        coarse = Image.open(tmp_path / f'negatives/{number}.png').rotate(90)
        coarse.save(folder / f'{number}.png')
    manifest = tmp_path / 'images/list.csv'
    manifest.write_text('file\n' + ''.join(f'{number}.png\n' for number in range(12)))
    features, out = tmp_path / 'all.npy', tmp_path / 'q'
    encode = ['features', MODEL, str(manifest), '--out', str(features), '--device', 'cpu']
    encode += ['--precision', 'fp32']
    assert main(encode) == 0
    words = [manifest, '--filters', 'pathology', '--positives', tmp_path / 'positives']
    words += ['--negatives', tmp_path / 'negatives', '--device', 'cpu', '--precision', 'fp32']
    capsys.readouterr()
    assert quality(*words, '--features', features, '--out', out) == 2
    assert 'encodes its examples itself' in one_error(capsys)
    found = []
    for given in (['--model', MODEL], ['--model', MODEL, '--features', features]):
        assert quality(*words, *given, '--out', out) == 0
        step = json.loads((out / 'results.json').read_text())['filters'][-1]
        found.append((rows(out / 'dropped.csv'), step['threshold'], step['about']['measured']))
    assert {'9.png', '10.png', '11.png'} <= {row['file'] for row in found[0][0]}
    assert [row['file'] for row in found[0][0]] == [row['file'] for row in found[1][0]]
    assert found[0][1] == pytest.approx(found[1][1], abs=0.01)
    assert found[0][2]['auroc'] == found[1][2]['auroc'] > 0.5
    other = [*words, '--features', features, '--model', 'tiny-tissue', '--out', out]
    capsys.readouterr()
    assert quality(*other) == 2
    assert 'use the same model' in one_error(capsys)


def test_features_without_a_record_are_no_neighbours_unless_they_are_trusted(
    folder, tmp_path, capsys
):
    reference = tmp_path / 'reference'
    reference.mkdir()
    (reference / '2.png').write_bytes((folder / '2.png').read_bytes())
    features, out = tmp_path / 'reference.npy', tmp_path / 'q'
    assert main(['features', MODEL, str(reference), '--out', str(features), '--device', 'cpu']) == 0
    bare = tmp_path / 'bare.npy'
    np.save(bare, np.load(features))
    words = [folder, '--filters', 'neighbours', '--model', MODEL, '--device', 'cpu', '--closest']
    words += ['0.9999', '--against', bare, '--out', out]
    capsys.readouterr()
    assert quality(*words) == 2
    told = one_error(capsys)
    assert 'no record' in told and '--options neighbours.trust=true' in told
    assert not (out / 'cache/collection_features.npy').exists()  # told before the work
    assert quality(*words, '--options', 'neighbours.trust=true') == 0
    assert [row['file'] for row in rows(out / 'dropped.csv')] == ['2.png']


def test_all_dropped_is_no_error_but_told(folder, tmp_path, capsys):
    out = tmp_path / 'q'
    words = [folder, '--filters', 'unreadable', '--options', 'unreadable.least_side=1000']
    assert quality(*words, '--out', out) == 0
    assert 'warning: No row is left' in capsys.readouterr().err
    assert (out / 'kept.csv').read_text() == 'file\n'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--filters', 'pathology'], 'needs a pair'),
        (['--filters', 'pathology', '--positives', '.', '--negatives', '.'], 'needs a model'),
        (['--filters', 'pathology', '--pathology-by', 'colour'], 'give examples'),
        (['--filters', 'neighbours'], '--against FILE'),
        (['--filters', 'neighbours', '--against', 'x.npy'], 'needs a model'),
        (['--filters', 'neighbours', '--against', 'x.npy', '--model', MODEL], 'no such file'),
        (['--filters', 'language'], 'reads captions'),
        (['--filters', 'duplicats'], 'Did you mean'),
        (['--filters', ','], 'expected filters'),
        (['--closest', '0.5'], 'neighbours, which does not run'),
        (['--options', 'least_side=3'], 'FILTER.NAME=VALUE'),
        (['--options', 'unreadable.side=3'], 'no option'),
        (['--captions-column', 'text'], 'is a folder'),
    ],
)
def test_bad_words_end_with_one_line(folder, tmp_path, capsys, words, message):
    assert quality(folder, '--out', tmp_path / 'q', *words) == 2
    assert message in one_error(capsys)
    assert not (tmp_path / 'q/kept.csv').exists()


def test_an_empty_folder_or_none_ends_with_one_line(tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    for source, message in (('empty', 'no images'), ('gone', 'no such file or folder')):
        assert quality(tmp_path / source, '--out', tmp_path / 'q') == 2
        assert message in one_error(capsys)


def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys):
    Image.new('RGB', (80, 80)).save(tmp_path / 'a.png')
    (tmp_path / 'm.csv').write_text('file,caption\na.png,Some words of a caption\n')
    language._identifier.cache_clear()
    monkeypatch.setitem(sys.modules, 'py3langid.langid', None)
    assert quality(tmp_path / 'm.csv', '--out', tmp_path / 'q') == 2
    assert "pip install 'cite-pathology[quality]'" in one_error(capsys)


def test_the_help_names_every_filter(capsys):
    from cite.quality import filter_names

    with pytest.raises(SystemExit):
        quality('--help')
    shown = ''.join(capsys.readouterr().out.split())
    assert ','.join(filter_names()) in shown
    assert 'cite quality' in (REPO / 'docs/quality.md').read_text('utf-8')
