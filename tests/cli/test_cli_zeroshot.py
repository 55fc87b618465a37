"""`cite zeroshot` from arguments to files, with the pair that comes with the library."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.cli.zeroshot import POOLINGS
from cite.evaluation.predictions import Predictions

TEXTS = ('--class', 'a: pale stroma', '--class', 'b: dark nuclei')
LONG = ('--class', f'a: {"glands " * 1400}', '--class', 'b')
MODEL = ('--model', 'tiny-tissue', '--prompts', 'none', '--device', 'cpu')


@pytest.fixture(scope='module')
def patches(tmp_path_factory):
    """Two classes of images of all kinds that a folder may hold."""
    root = tmp_path_factory.mktemp('zeroshot') / 'patches'
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    for name in 'ab':
        (root / name).mkdir(parents=True)
    image.resize((30, 200)).save(root / 'a' / 'thin.png')
    image.resize((500, 400)).save(root / 'a' / 'large.jpg')
    image.convert('CMYK').save(root / 'a' / 'cmyk.jpg')
    image.convert('L').save(root / 'b' / 'grey.png')
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(root / 'b' / 'sixteen.png')
    moving = [image.convert('P'), image.rotate(90).convert('P')]
    moving[0].save(root / 'b' / 'moving.gif', save_all=True, append_images=moving[1:])
    shutil.copy(root / 'b' / 'moving.gif', root / 'b' / 'moving.png')
    return root


def call(*words: object) -> int:
    return main(['zeroshot', *map(str, words)])


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    told = [line for line in err.splitlines() if line.startswith('cite zeroshot: error: ')]
    assert len(told) == 1 and 'Traceback' not in err, err
    return told[0]


@pytest.fixture(scope='module')
def done(patches, tmp_path_factory):
    out = tmp_path_factory.mktemp('done')
    assert call(patches, *TEXTS, *MODEL, '--out', out) == 0
    return out


def test_all_files_are_there(done, capsys):
    for name in ('predictions.parquet', 'results.json', 'templates.csv', 'zeroshot.html'):
        assert (done / name).stat().st_size
    results = json.loads((done / 'results.json').read_text())
    assert results['patch']['n'] == 6
    assert results['zero_shot']['text']['digest'] and results['versions']['cite']
    found = Predictions.from_parquet(done / 'predictions.parquet')
    assert found.classes == ('a', 'b') and sorted(set(found.labels.tolist())) == [0, 1]


def test_the_terminal_names_what_was_asked(patches, done, tmp_path, capsys):
    assert call(patches, *TEXTS, *MODEL, '--out', tmp_path, '--pooling', 'max') == 0
    shown = capsys.readouterr().out
    line = ' '.join(shown.split())
    assert 'prompts: none (1 template;' in line and 'pooling: max' in line and 'scale 13.3' in line
    accuracy = json.loads((tmp_path / 'results.json').read_text())['patch']['accuracy']
    assert f'accuracy {accuracy:.3f} [' in line
    assert f'page: {tmp_path}/zeroshot.html' in shown


def test_features_of_a_former_run_give_the_same(patches, done, tmp_path):
    features = ('--features', done / 'features.npy')
    assert call(patches, *TEXTS, *MODEL, *features, '--out', tmp_path) == 0
    assert not (tmp_path / 'features.npy').exists()
    one, other = (
        Predictions.from_parquet(folder / 'predictions.parquet') for folder in (done, tmp_path)
    )
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_labels_are_the_texts_where_none_are_given(patches, tmp_path):
    assert call(patches, *MODEL, '--out', tmp_path) == 0
    record = json.loads((tmp_path / 'results.json').read_text())['zero_shot']
    assert record['classes']['texts'] == {'a': ['a'], 'b': ['b']}


def test_images_without_labels_are_predicted(patches, tmp_path, capsys):
    assert call(patches / 'a', patches / 'b' / 'moving.gif', *TEXTS, *MODEL, '--out', tmp_path) == 0
    results = json.loads((tmp_path / 'results.json').read_text())
    assert 'patch' not in results and sum(results['predicted'].values()) == 4
    assert 'accuracy' not in capsys.readouterr().out


def test_images_that_cannot_be_read_are_left_out_of_everything(patches, tmp_path, capsys):
    bad = tmp_path / 'bad'
    shutil.copytree(patches, bad)
    (bad / 'a' / 'empty.png').write_bytes(b'')
    assert call(bad, *TEXTS, *MODEL, '--out', tmp_path / 'out') == 2
    assert 'a/empty.png' in one_error(capsys)
    assert call(bad, *TEXTS, *MODEL, '--out', tmp_path / 'out', '--skip-bad') == 0
    found = Predictions.from_parquet(tmp_path / 'out' / 'predictions.parquet')
    assert len(found) == 6
    for file, label in zip(found.files, found.labels, strict=True):
        assert found.classes[label] == file[0]


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--class', 'a'], 'at least two'),
        ([*LONG, '--prompts', 'none'], 'longer than the 128'),
        (['--class', 'a', '--class', 'a'], 'more than once'),
        (['--class', 'a', '--class', 'c'], 'Labels: a, b. Classes: a, c'),
        (['--class', 'a', '--classes', 'x.txt'], 'give one of them'),
        (['--classes', 'gone.txt'], 'gone.txt: no such file'),
        (['--prompts', 'plop'], "--prompts: templates 'plop'"),
    ],
)
def test_mistakes_are_told_in_a_line_before_the_work(patches, tmp_path, capsys, words, told):
    assert call(patches, *MODEL[:2], *words, '--out', tmp_path / 'out') == 2
    error = one_error(capsys)
    assert told in error
    assert not (tmp_path / 'out').exists()


def test_text_that_is_too_long_can_be_cut(patches, tmp_path):
    assert call(patches, *MODEL, *LONG, '--truncate', '--out', tmp_path) == 0


def test_nothing_to_classify(tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    assert call(tmp_path / 'empty', *TEXTS, *MODEL) == 2
    assert 'no images' in one_error(capsys)
    assert call(*TEXTS, *MODEL) == 2
    assert 'give the images' in one_error(capsys)


def test_prompts_are_listed(capsys):
    assert call('--list-prompts') == 0
    assert 'plip (pathology, 2 templates)' in capsys.readouterr().out
    assert call('--list-prompts', '--prompts', 'plip') == 0
    assert 'An H&E image patch of {}.' in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        ([], 'one SOURCE'),
        (['.', '--classes', 'x.txt'], '--classes does not go with --suite'),
        (['.', *TEXTS], '--class does not go with --suite'),
    ],
)
def test_a_suite_says_its_classes_itself(capsys, words, told):
    assert call(*words, '--suite', 'unimed21', *MODEL[:2]) == 2
    assert told in one_error(capsys)


def test_poolings_are_those_there_are():
    from cite.zeroshot import POOLINGS as KNOWN

    assert POOLINGS == KNOWN
