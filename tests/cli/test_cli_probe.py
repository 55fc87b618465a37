"""`cite probe` on small patches with a small model."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.evaluation.predictions import Predictions
from cite.probing import load_probe

MODEL = ('--model', 'random-vit-tiny', '--device', 'cpu')
COLOURS = {'blue': (70, 70, 190), 'pink': (220, 140, 170)}


def patch(path, colour, seed):
    rng = np.random.default_rng(seed)
    pixels = np.array(colour) + rng.normal(0, 25, (32, 32, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def data(tmp_path):
    """train/ and test/ with a folder per class, and a manifest of both with slides and splits."""
    rows = [('file', 'label', 'slide', 'split')]
    for part, count in (('train', 12), ('val', 6), ('test', 6)):
        for name, colour in COLOURS.items():
            for number in range(count):
                file = f'{part}/{name}/{number}.png'
                patch(tmp_path / file, colour, seed=len(rows))
                rows.append((file, name, f'{part}_{name}_{number // 2}', part))
    with (tmp_path / 'all.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def probe(*words):
    return main(['probe', *map(str, words)])


def one_error(capsys, *words):
    assert probe(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith('cite probe: error: ') and err.count('\n') == 1, err
    return err


def test_one_manifest_has_all_sets(data, capsys):
    out = data / 'out'
    assert probe(data / 'all.csv', *MODEL, '--no-baseline', '--out', out) == 0
    text = capsys.readouterr().out
    assert 'patch (n=12)' in text and 'slide (n=6)' in text
    results = json.loads((out / 'results.json').read_text())
    assert results['sets'] == {
        'train': {'patches': 24, 'slides': 12},
        'validation': {'patches': 12, 'slides': 6},
        'test': {'patches': 12, 'slides': 6},
    }
    assert results['patch']['accuracy'] > 0.9  # colour alone tells them apart
    assert (
        results['features']['digest']
        == load_probe(out / 'probe.safetensors').about['features']['digest']
    )
    stored = Predictions.from_parquet(out / 'predictions.parquet')
    features = np.load(out / 'features' / 'model.npy')
    fitted = load_probe(out / 'probe.safetensors')
    assert results['features'] == fitted.about['features']
    assert fitted.about['features']['model'] == 'random-vit-tiny'
    np.testing.assert_allclose(
        fitted.probabilities(features[-12:]), stored.probabilities, atol=1e-5
    )
    first = (out / 'results.json').read_bytes()
    again = data / 'again'
    assert probe(data / 'all.csv', *MODEL, '--no-baseline', '--out', again) == 0
    left, right = json.loads(first), json.loads((again / 'results.json').read_text())
    for found in (left, right):
        found.pop('seconds')
    assert left == right


def test_folders_and_features_give_the_same(data, capsys):
    words = (data / 'train', '--test', data / 'test', '--no-baseline')
    assert probe(*words, *MODEL, '--out', data / 'one') == 0
    assert 'slides are not known' in capsys.readouterr().out
    for part in ('train', 'test'):
        file = data / f'{part}.npy'
        assert main(['features', MODEL[1], str(data / part), '--out', str(file)]) == 0
        # as the folder of classes names them
        ids = file.with_name(f'{part}.npy.csv')
        ids.write_text(ids.read_text().replace(f'{data / part}/', ''))
    given = ('--features', data / 'train.npy', '--test-features', data / 'test.npy')
    assert probe(*words, *given, '--out', data / 'two') == 0
    one, two = (
        Predictions.from_parquet(data / name / 'predictions.parquet') for name in ('one', 'two')
    )
    assert one.files == two.files
    np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-4)


def test_the_baseline_that_cannot_be_had_is_said(data, capsys):
    out = data / 'out'
    assert probe(data / 'all.csv', *MODEL, '--out', out) == 0
    assert 'note: no baseline densenet121' in capsys.readouterr().out
    results = json.loads((out / 'results.json').read_text())
    assert any('densenet121' in note for note in results['notes'])
    assert list(results['baselines']) == ['majority']
    err = one_error(
        capsys, data / 'all.csv', *MODEL, '--out', out, '--baseline-weights', data / 'none.bin'
    )
    assert 'none.bin' in err


def test_a_baseline_stands_beside(data, capsys):
    out = data / 'out'
    other = 'tiny-tissue'
    words = ('--baseline', other, '--shots', '1', '2', '--seeds', '2')
    assert probe(data / 'all.csv', *MODEL, *words, '--out', out) == 0
    results = json.loads((out / 'results.json').read_text())
    assert list(results['baselines']) == [other, 'majority']
    assert results['differences'][other]['slide']['n_units'] == 6
    assert {row['shots'] for row in results['shots']} == {1, 2}
    assert load_probe(out / 'baselines' / other / 'probe.safetensors').about['model'] == other


def test_without_a_test_set_it_says_so(data, capsys):
    out = data / 'out'
    assert probe(data / 'train', *MODEL, '--no-baseline', '--out', out) == 0
    assert 'no test set' in capsys.readouterr().out
    assert json.loads((out / 'results.json').read_text())['measured_on'] == 'validation'
    assert 'no test set' in (out / 'probe.md').read_text()


def test_the_same_bytes_are_noted(data, capsys):
    shutil.copy(data / 'train' / 'blue' / '0.png', data / 'test' / 'blue' / '5.png')
    words = (*MODEL, '--no-baseline', '--out', data / 'out')
    assert probe(data / 'train', '--test', data / 'test', *words) == 0
    assert 'same bytes' in capsys.readouterr().out


def test_bad_input_is_one_line(data, capsys):
    rows = (data / 'all.csv').read_text().splitlines()
    torn = data / 'torn.csv'
    torn.write_text(
        '\n'.join([rows[0], *(row for row in rows if ',test' in row)]).replace(
            'test_blue_0', 'train_blue_0'
        )
    )
    strange = data / 'strange.csv'
    strange.write_text('file,label\ntest/blue/0.png,green\n')
    lone = data / 'lone.csv'
    lone.write_text('\n'.join(rows[:2] + [row for row in rows if 'train/pink' in row]))
    single = data / 'single.csv'
    single.write_text('\n'.join(row for row in rows if 'pink' not in row))
    bare = data / 'bare.csv'
    bare.write_text('file\ntrain/blue/0.png\n')
    only_train = data / 'only.csv'
    only_train.write_text(
        '\n'.join(row for row in rows if ',test' not in row and ',val' not in row)
    )
    end = (*MODEL, '--no-baseline', '--out', data / 'out')
    for words, message in (
        ((only_train, '--test', torn), 'share 1 slides: train_blue_0'),
        ((data / 'train', '--test', data / 'train'), 'has no split test'),
        ((data / 'train', '--test', strange), 'green'),
        ((lone,), 'two patches of every class'),
        ((single,), 'two classes'),
        ((bare,), 'needs labels'),
        ((only_train, '--shots', 9), '9 shots need'),
        ((data / 'train', '--protocol', 'clap'), 'whyclip'),
        ((data / 'train', '--validation-share', 2), 'between 0 and 1'),
        ((data / 'train', '--features', data / 'no.npy'), '--features stands in place'),
        ((data / 'nowhere',), 'nowhere'),
    ):
        assert message in one_error(capsys, *words, *end), words
    np.save(data / 'bad.npy', np.full((24, 4), np.nan, np.float32))
    names = [f'{name}/{number}.png' for name in COLOURS for number in range(12)]
    (data / 'bad.npy.csv').write_text(
        'row,file\n' + ''.join(f'{n},{f}\n' for n, f in enumerate(names))
    )
    given = ('--features', data / 'bad.npy', '--no-baseline', '--out', data / 'out')
    assert 'not finite' in one_error(capsys, data / 'train', *given)
    assert 'lack' in one_error(capsys, data / 'all.csv', *given)


def rewritten(data, name, change):
    """The manifest with other splits: change(row as a list) → row, or None to leave it out."""
    rows = list(csv.reader((data / 'all.csv').open(newline='')))
    kept = [rows[0], *(row for row in map(change, rows[1:]) if row is not None)]
    with (data / name).open('w', newline='') as file:
        csv.writer(file).writerows(kept)
    return data / name


@pytest.fixture
def graded(data):
    """A manifest of three classes: some patches of pink are 'grey'."""

    def change(row):
        number = int(row[0].split('/')[-1].split('.')[0])
        if row[1] == 'pink' and number % 4 < 2:
            row[1] = 'grey'
        return row

    return rewritten(data, 'graded.csv', change)


def test_classes_have_the_order_that_is_given(data, graded, capsys):
    end = (*MODEL, '--no-baseline', '--out', data / 'out')
    assert probe(graded, *end) == 0
    assert 'quadratic kappa: left out' in capsys.readouterr().out
    results = json.loads((data / 'out' / 'results.json').read_text())
    assert results['patch']['quadratic_kappa'] is None
    assert results['patch']['classes'] == ['blue', 'grey', 'pink']
    order = ['pink', 'blue', 'grey']
    assert probe(graded, '--classes', *order, *end) == 0
    other = json.loads((data / 'out' / 'results.json').read_text())
    assert other['patch']['classes'] == order
    assert isinstance(other['patch']['quadratic_kappa'], float)
    assert list(load_probe(data / 'out' / 'probe.safetensors').classes) == order
    moved = np.array(other['patch']['confusion'])
    assert moved[1, 1] == 6  # blue, which colour alone tells from the others
    assert 'grey' in one_error(capsys, graded, '--classes', 'blue', 'pink', *end)


def test_folders_that_are_no_class_are_noted(data, capsys):
    patch(data / 'test' / 'red' / '0.png', (250, 0, 0), 1)
    end = (*MODEL, '--no-baseline', '--out', data / 'test' / 'out')
    assert probe(data / 'train', '--test', data / 'test', *end) == 0
    assert 'test: folders that are no class: red\n' in capsys.readouterr().out


def no_features(monkeypatch):
    def refuse(*_):
        raise AssertionError('features were computed')

    monkeypatch.setattr('cite.cli.featuring.vision_features', refuse)


def test_shots_are_refused_before_features(data, capsys, monkeypatch):
    no_features(monkeypatch)
    only = rewritten(data, 'only.csv', lambda row: row if row[3] == 'train' else None)
    lone = rewritten(data, 'lone.csv', lambda row: [*row[:2], row[0].replace('/', '_'), row[3]])
    mixed = rewritten(
        data, 'mixed.csv', lambda row: [*row[:2], row[2].replace('pink', 'blue'), row[3]]
    )
    end = (*MODEL, '--no-baseline', '--out', data / 'out', '--shots')
    # six slides per class, of which one is set aside
    assert 'blue has 5' in one_error(capsys, only, *end, 1, 6)
    assert '--shots 1, draw 0' in one_error(capsys, lone, *end, 1)
    assert 'hold patches of several' in one_error(capsys, mixed, *end, 1)


def test_slides_of_several_classes_are_probed(data, capsys):
    mixed = rewritten(
        data,
        'mixed.csv',
        lambda row: [*row[:2], row[2].replace('pink', 'blue'), row[3].replace('val', 'train')],
    )
    assert probe(mixed, *MODEL, '--no-baseline', '--out', data / 'out') == 0
    text = capsys.readouterr().out
    assert 'patch (n = 12)' in text and 'no results of slides: 3 of 3' in text
    sets = json.loads((data / 'out' / 'results.json').read_text())['sets']
    assert sets['train']['slides'] + sets['validation']['slides'] == 9
    assert sets['validation']['slides'] == 2


def test_rows_of_every_split_are_accounted_for(data, capsys):
    out = data / 'out'
    end = (*MODEL, '--no-baseline', '--out', out)
    assert probe(data / 'all.csv', '--split', 'train', *end) == 0
    text = capsys.readouterr().out
    results = json.loads((out / 'results.json').read_text())
    assert results['measured_on'] == 'test' and 'no test set' not in text
    file = str(data / 'all.csv')
    assert results['sources'] == {
        'training': {'source': file, 'split': 'train'},
        'validation': {'source': file, 'split': 'val'},
        'test': {'source': file, 'split': 'test'},
        'not_used': {},
    }
    assert f'test: {file}, split test (12 patches of 6 slides)' in text

    train = rewritten(data, 'a.csv', lambda row: row if row[3] == 'train' else None)
    held = rewritten(data, 'b.csv', lambda row: [*row[:3], 'holdout'] if row[3] == 'test' else None)
    assert probe(train, '--test', held, *end) == 0
    assert f'{held}, split holdout (12 patches' in capsys.readouterr().out

    several = rewritten(
        data,
        'c.csv',
        lambda row: None if row[3] == 'train' else [*row[:3], row[3].replace('test', 'holdout')],
    )
    err = one_error(capsys, train, '--test', several, *end)
    assert 'holdout (12), val (12)' in err

    third = rewritten(data, 'd.csv', lambda row: [*row[:3], row[3].replace('val', 'later')])
    assert probe(third, *end) == 0
    assert f'note: {third}: rows that are in no set: later (12)' in capsys.readouterr().out
    results = json.loads((out / 'results.json').read_text())
    assert results['sources']['not_used'] == {str(third): {'later': 12}}
