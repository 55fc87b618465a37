"""`cite retrieve` from arguments to files, with the pair that comes with the library."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from small_adapter import write

import cite
from cite.cli import main
from cite.cli.retrieve import KINDS
from cite.errors import DataError
from cite.inference import read_features
from cite.retrieval import build, image_metrics, pair_metrics

PAIR = ('--model', 'tiny-tissue', '--device', 'cpu', '--precision', 'fp32')
CAPTIONS = ['Necrosis is present.', 'No necrosis.', 'necrosis is present', 'Edematous stroma.']
RECORDS = ('hits.json', 'evaluation.json')
COLOURS = {'pink': (235, 150, 190), 'violet': (120, 70, 150)}


@pytest.fixture(scope='module')
def patches(tmp_path_factory):
    """Two classes of four patches, of all kinds that a folder may hold; captions of two of them."""
    root = tmp_path_factory.mktemp('retrieve') / 'patches'
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.clip(rng.normal(colour, 25, (40, 60, 3)), 0, 255).astype(np.uint8)
            image = Image.fromarray(pixels)
            if number == 1:
                image = image.convert('L')
            elif number == 2:
                image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
            if number == 3:
                image.convert('CMYK').save(root / name / '3.jpg')
            else:
                image.save(root / name / f'{number}.png')
    rows = [('pink/0.png', 0), ('pink/1.png', 1), ('violet/0.png', 2), ('violet/1.png', 3)]
    lines = [f'{file},{CAPTIONS[text]}\n' for file, text in rows]
    (root / 'captions.csv').write_text('file,caption\n' + ''.join(lines))
    (root / 'slides.csv').write_text(
        'file,label,slide\n'
        + ''.join(f'{n}/{i}.png,{n},{n}{i // 2}\n' for n in COLOURS for i in range(3))
    )
    return root


@pytest.fixture
def plain(patches, tmp_path):
    """The folder of classes without the manifests, which stand beside the images elsewhere."""
    root = tmp_path / 'plain'
    root.mkdir()
    for name in COLOURS:
        (root / name).symlink_to(patches / name)
    return root


def call(*words: object) -> int:
    return main(['retrieve', *map(str, words)])


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    told = [line for line in err.splitlines() if line.startswith('cite retrieve: error: ')]
    assert len(told) == 1, err
    return told[0]


def hits(out):
    with (out / 'hits.csv').open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def results(out, name='hits.json'):
    return json.loads((out / name).read_text('utf-8'))


def test_texts_and_images_find_images(plain, tmp_path, capsys):
    out, queries = tmp_path / 'out', tmp_path / 'queries.txt'
    queries.write_text('\ufeffno necrosis\n\n  mitoses  \n', encoding='utf-8')
    image = plain / 'pink' / '0.png'
    words = ('--query', 'necrosis', '--queries', queries, '--query-image', image, '-k', 3)
    assert call(plain, *PAIR, *words, '--out', out) == 0
    shown = capsys.readouterr().out
    found = hits(out)
    assert list(dict.fromkeys(hit['query'] for hit in found)) == [
        'necrosis',
        'no necrosis',
        'mitoses',
        str(image),
    ]
    assert [hit['rank'] for hit in found] == ['1', '2', '3'] * 4
    assert 'pink/0.png' not in [hit['hit'] for hit in found if hit['query_kind'] == 'image']

    pair = cite.load_pair('tiny-tissue')
    files = sorted(plain.glob('*/*.*'))
    cosines = pair.encode_text(['necrosis']) @ pair.encode_images(files).T
    order = np.argsort(-cosines[0])[:3]
    assert [hit['hit'] for hit in found[:3]] == [
        f'{files[i].parent.name}/{files[i].name}' for i in order
    ]
    assert [float(hit['cosine']) for hit in found[:3]] == pytest.approx(
        cosines[0, order].tolist(), abs=1e-4
    )
    assert found[0]['hit'] in shown
    assert (out / 'hits.png').read_bytes()[:4] == b'\x89PNG'
    assert results(out)['normalised'] is True
    assert results(out)['index']['kind'] == 'flat'


def test_an_image_finds_captions_and_both_ways_are_measured(patches, tmp_path, capsys):
    out = tmp_path / 'out'
    words = ('--captions', '--query-image', patches / 'pink' / '0.png', '--evaluate')
    assert call(patches / 'captions.csv', *PAIR, *words, '--out', out) == 0
    assert {hit['hit'] for hit in hits(out)} == set(CAPTIONS)
    assert {hit['hit_kind'] for hit in hits(out)} == {'caption'}
    table = read_features(out / 'features.npy')
    texts = cite.load_pair('tiny-tissue').encode_text(CAPTIONS)
    groups = np.array([0, 1, 0, 2])
    wanted = pair_metrics(table.features, texts, groups, groups)
    found = results(out, 'evaluation.json')['evaluation']
    for direction in ('text_to_image', 'image_to_text'):
        assert found[direction] == pytest.approx(wanted[direction], abs=1e-6)
    shown = capsys.readouterr().out
    assert 'text to image (3 queries, 4 candidates each)' in shown and 'chance' in shown
    assert '12 hits were asked for' in shown


def test_the_first_picture_of_a_moving_query_is_searched(plain, tmp_path):
    first, other = (Image.open(plain / n / '0.png').convert('P') for n in ('pink', 'violet'))
    first.save(tmp_path / 'moving.gif', save_all=True, append_images=[other])
    first.save(tmp_path / 'still.gif')
    images = [
        word for n in ('moving', 'still') for word in ('--query-image', tmp_path / f'{n}.gif')
    ]
    assert call(plain, *PAIR, *images, '-k', 8, '--out', tmp_path / 'out') == 0
    found = [(hit['rank'], hit['cosine'], hit['hit']) for hit in hits(tmp_path / 'out')]
    assert found[:8] == found[8:]


def test_labels_measure_images_without_their_own_slide(patches, plain, tmp_path, capsys):
    out = tmp_path / 'out'
    assert call(patches / 'slides.csv', *PAIR, '--evaluate', '--out', out) == 0
    assert 'slides are not known' not in capsys.readouterr().out
    table = read_features(out / 'features.npy')
    labels = [name.partition('/')[0] for name in table.names]
    slides = [f'{n.partition("/")[0]}{int(n.split("/")[1][0]) // 2}' for n in table.names]
    found = results(out, 'evaluation.json')['evaluation']['image_to_image']
    assert found == pytest.approx(image_metrics(table.features, labels, slides))
    assert not (out / 'hits.csv').exists()
    assert call(plain, *PAIR, '--evaluate', '--out', out) == 0
    assert 'slides are not known' in capsys.readouterr().out


def test_files_of_runs_into_one_folder_do_not_contradict_each_other(patches, tmp_path):
    out, words = tmp_path / 'out', (patches / 'slides.csv', '--out', tmp_path / 'out')
    other = ('--model', 'random-vit-tiny', '--device', 'cpu', '--precision', 'fp32')
    image = ('--query-image', patches / 'pink' / '0.png')
    assert call(*words, *PAIR, *image, '--query', 'necrosis') == 0
    before = {name: (out / name).read_bytes() for name in ('hits.csv', 'hits.png', 'hits.json')}
    assert results(out)['queries'] == ['necrosis', str(image[1])] and 'evaluation' not in results(
        out
    )
    assert call(*words, *other, '--evaluate') == 0
    assert {name: (out / name).read_bytes() for name in before} == before
    figures = (out / 'evaluation.json').read_bytes()
    assert 'queries' not in json.loads(figures)
    models = [results(out, name)['index']['features']['record']['model'] for name in RECORDS]
    assert models == ['tiny-tissue', 'random-vit-tiny']
    assert call(*words, *PAIR, '--query', 'mitoses') == 0
    assert (out / 'evaluation.json').read_bytes() == figures
    assert results(out)['queries'] == ['mitoses'] and hits(out)[0]['query'] == 'mitoses'
    assert not (out / 'results.json').exists()


def test_a_search_that_fails_leaves_no_hits_of_another(plain, tmp_path, monkeypatch):
    from cite.retrieval import work

    def broken(*_, **__):
        raise DataError('no sheet')

    words = (plain, *PAIR, '--out', tmp_path)
    assert call(*words, '--query', 'necrosis') == 0
    monkeypatch.setattr(work, 'hits_sheet', broken)
    assert call(*words, '--query', 'mitoses') == 2
    assert hits(tmp_path)[0]['query'] == 'mitoses'
    assert not (tmp_path / 'hits.png').exists() and not (tmp_path / 'hits.json').exists()


def test_a_vision_model_finds_images_alone(plain, tmp_path, capsys):
    model = ('--model', 'random-vit-tiny', '--device', 'cpu')
    image = ('--query-image', plain / 'violet' / '2.png')
    assert call(plain, *model, *image, '--out', tmp_path / 'out') == 0
    assert len(hits(tmp_path / 'out')) == 7
    for words in (('--query', 'necrosis'), ('--captions', '--evaluate')):
        assert call(plain / 'x.csv' if '--captions' in words else plain, *model, *words) == 2
        error = one_error(capsys)
        assert 'no such file' in error or ('is no pair' in error and 'plip' in error)


def test_an_adapter_without_texts_finds_images(plain, tmp_path):
    adapter, classifier, _ = write(tmp_path)
    image = plain / 'violet' / '0.png'
    words = ('--adapter', adapter, '--device', 'cpu', '--precision', 'fp32', '--query-image', image)
    assert call(plain, *words, '--out', tmp_path / 'out', '-k', 7) == 0
    features = classifier.backbone.encode_images([image, plain / 'pink' / '0.png'])
    left, right = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = next(h for h in hits(tmp_path / 'out') if h['hit'] == 'pink/0.png')
    assert float(found['cosine']) == pytest.approx(float(left @ right), abs=1e-3)


def test_features_and_index_are_used_again(plain, tmp_path, capsys):
    out, again = tmp_path / 'out', tmp_path / 'again'
    assert call(plain, *PAIR, '--query', 'necrosis', '--out', out) == 0
    assert 'built' in capsys.readouterr().out
    assert call(plain, *PAIR, '--query', 'necrosis', '--out', out) == 0
    assert 'used again' in capsys.readouterr().out
    index = ('--index', out / 'index')
    assert call(*index, *PAIR, '--query', 'necrosis', '--out', again) == 0  # without the images
    same = [
        [{k: hit[k] for k in ('rank', 'cosine', 'hit')} for hit in hits(f)] for f in (out, again)
    ]
    assert same[0] == same[1]
    features = ('--features', out / 'features.npy')
    image = ('--query-image', plain / 'pink' / '0.png')
    assert call(plain, *features, *image, '--out', again) == 0  # without a model
    assert len(hits(again)) == 7
    assert call(plain / 'pink', *PAIR, *index, '--query', 'x', '--out', again) == 0
    assert 'built again' in capsys.readouterr().out


def test_an_index_of_another_model_is_refused(plain, tmp_path, capsys):
    index = tmp_path / 'index'
    assert call(plain, *PAIR, '--query', 'x', '--index', index, '--out', tmp_path / 'a') == 0
    before = (index / 'index.json').read_bytes()
    other = ('--model', 'random-vit-tiny', '--device', 'cpu')
    image = ('--query-image', plain / 'pink' / '0.png', '--index', index, '--out', tmp_path / 'b')
    capsys.readouterr()
    assert call(plain, *other, *image) == 2
    assert 'of another model: model tiny-tissue' in one_error(capsys)
    assert call(*other, *image) == 2
    assert 'these features are not of random-vit-tiny' in one_error(capsys)
    assert (index / 'index.json').read_bytes() == before


def test_an_approximate_index_is_measured_with_the_queries(plain, tmp_path, monkeypatch, capsys):
    pytest.importorskip('faiss')
    monkeypatch.setattr(build, 'FLAT', 100)
    assert call(plain, *PAIR, '--query', 'necrosis', '--out', tmp_path) == 0
    shown = capsys.readouterr().out
    assert '(ivf): built' in shown and 'with these queries: recall@' in shown
    assert results(tmp_path)['measured']['reached']
    assert len(hits(tmp_path)) == 8


def test_long_texts_are_cut_where_asked(plain, tmp_path, capsys):
    long = ('--query', 'necrosis ' * 1100, *PAIR, '--out', tmp_path)
    assert call(plain, *long) == 2
    error = one_error(capsys)
    assert 'than the 128 that' in error and '--truncate' in error
    assert call(plain, *long, '--truncate') == 0
    assert (tmp_path / 'hits.png').stat().st_size > 0


def test_images_that_cannot_be_read(plain, tmp_path, capsys):
    broken = tmp_path / 'set'
    broken.mkdir()
    for number, file in enumerate(sorted(plain.glob('pink/*'))):
        (broken / f'{number}{file.suffix}').write_bytes(file.read_bytes())
    (broken / 'a.png').touch()
    words = (*PAIR, '--query', 'x', '--out', tmp_path / 'out')
    assert call(broken, *words) == 2
    assert 'a.png' in one_error(capsys)
    assert call(broken, *words, '--skip-bad') == 0
    assert len(hits(tmp_path / 'out')) == 4
    assert call(plain, *words, '--query-image', broken / 'a.png') == 2
    assert 'a.png' in one_error(capsys)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ((), 'nothing to do'),
        (('--query', ' '), 'a query is empty'),
        (('--query-image', 'nowhere.png'), 'query image nowhere.png: no such file'),
        (('--queries', 'nowhere.txt'), 'nowhere.txt'),
        (('--evaluate', '--captions'), 'one CSV manifest'),
        (('--query', 'x', '--model', 'tiny-tisue'), 'did you mean tiny-tissue'),
        (('--query', 'x', '--features', 'f.npy'), 'f.npy: no such file'),
    ],
)
def test_what_cannot_be_done_is_told_before_the_work(plain, tmp_path, words, message, capsys):
    assert call(plain, *PAIR, '--out', tmp_path / 'out', *words) == 2
    assert message in one_error(capsys)
    assert not (tmp_path / 'out').exists()


def test_sources_that_cannot_be_searched(plain, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    asked = (*PAIR, '--query', 'x', '--out', tmp_path / 'out')
    for words, message in (
        ((tmp_path / 'empty', *asked), 'no images'),
        (asked, 'give the images'),
        ((plain / 'pink', *asked, '--evaluate'), 'labels'),
    ):
        assert call(*words) == 2
        assert message in one_error(capsys)


def test_kinds_are_those_of_the_library():
    assert KINDS == build.KINDS
