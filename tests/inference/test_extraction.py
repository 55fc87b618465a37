from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_models import tiny_tower

from cite.errors import CiteError, ConfigError, DataError, ModelError
from cite.inference import Shard, extract

COUNT, CHUNK = 22, 4


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('patches')
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 40, 40, 3), dtype=np.uint8)
    paths = [folder / f'{number:02}.png' for number in range(COUNT)]
    for path, array in zip(paths, pixels, strict=True):
        Image.fromarray(array).save(path)
    return paths


@pytest.fixture
def tower():
    return tiny_tower().eval()


@pytest.fixture
def counted(tower):
    """How many images the tower has computed."""
    seen = []
    tower.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    return seen


def run(tower, files, out, **options):
    return extract(tower, files, out, **{'chunk': CHUNK, 'batch_size': 3, **options})


def test_features_ids_and_record(tower, files, tmp_path):
    out = tmp_path / 'new' / 'features.npy'
    found = run(tower, files, out, about={'note': 'kept'})
    features = np.load(out, allow_pickle=False)
    np.testing.assert_allclose(features, tower.encode_images(files), atol=1e-5)
    assert features.dtype == np.float32 and found.rows == COUNT and not found.missing
    with (tmp_path / 'new' / 'features.npy.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['file'] for row in rows] == list(map(str, files))
    assert [int(row['row']) for row in rows] == list(range(COUNT))
    record = json.loads((tmp_path / 'new' / 'features.npy.json').read_text())
    assert record == found.record
    assert record['digest'] == tower.digest and record['precision'] == 'fp32'
    assert record['preprocessing']['image_size'] == 32 and record['note'] == 'kept'
    assert {'cite', 'torch', 'timm', 'pillow'} <= set(record['versions'])
    assert sorted(p.name for p in out.parent.iterdir()) == [
        'features.npy',
        'features.npy.csv',
        'features.npy.json',
    ]


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors', '.parquet'])
def test_other_formats_hold_the_same(tower, files, tmp_path, suffix):
    run(tower, files, tmp_path / 'a.npy')
    expected = np.load(tmp_path / 'a.npy')
    out = tmp_path / f'a{suffix}'
    run(tower, files, out)
    if suffix == '.npz':
        with np.load(out, allow_pickle=False) as stored:
            features, names = stored['features'], stored['files'].tolist()
    elif suffix == '.safetensors':
        features, names = load_file(out)['features'].numpy(), None
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(out)
        features = np.array(table['feature'].to_pylist(), np.float32)
        names = table['file'].to_pylist()
    assert np.array_equal(features, expected)
    assert names in (None, list(map(str, files)))


def test_shards_give_the_bits_of_one_process(tower, files, tmp_path, counted):
    run(tower, files, tmp_path / 'one.npy')
    assert sum(counted) == COUNT
    out = tmp_path / 'three.npy'
    for index in (2, 0):
        found = run(tower, files, out, shard=Shard(index, 3))
        assert found.missing and not out.exists()
    with pytest.raises(DataError, match='2 of 6 pieces are missing'):
        run(tower, files, out, merge=True)
    assert not run(tower, files, out, shard=Shard(1, 3)).missing
    assert sum(counted) == 2 * COUNT  # nothing twice
    assert out.read_bytes() == (tmp_path / 'one.npy').read_bytes()
    assert not (tmp_path / 'three.npy.parts').exists()
    for name in ('csv', 'json'):
        one, three = ((tmp_path / f'{n}.npy.{name}').read_text() for n in ('one', 'three'))
        assert three == one.replace('one.npy', 'three.npy')


def test_merge_joins_what_nobody_joined(tower, files, tmp_path, counted, monkeypatch):
    out = tmp_path / 'f.npy'
    with monkeypatch.context() as patched:
        patched.setattr('cite.inference.extraction.join', _killed)
        with pytest.raises(KeyboardInterrupt):
            run(tower, files, out)
    assert not out.exists()
    assert run(tower, files, out, merge=True).rows == COUNT == sum(counted)


def _killed(*_):
    raise KeyboardInterrupt


def test_of_two_that_join_at_once_the_slower_finds_the_work_done(
    tower, files, tmp_path, monkeypatch
):
    from cite.inference import join as joining

    out = tmp_path / 'f.npy'
    inner, results = joining._join, []

    def overtaken(parts, out, place):
        monkeypatch.setattr(joining, '_join', inner)
        results.append(joining.join(parts, out))  # the other one, from start to end
        return inner(parts, out, place)

    monkeypatch.setattr(joining, '_join', overtaken)
    found = run(tower, files, out)
    assert found.record == results[0].record and found.rows == COUNT
    assert np.load(out).shape == (COUNT, tower.feature_dim)


def test_a_run_that_was_killed_goes_on_with_equal_bits(tower, files, tmp_path, counted):
    run(tower, files, tmp_path / 'whole.npy')
    counted.clear()
    out = tmp_path / 'f.npy'
    hook = tower.register_forward_pre_hook(lambda *_: _killed() if sum(counted) >= 13 else None)
    with pytest.raises(KeyboardInterrupt):
        run(tower, files, out)
    hook.remove()
    assert not out.exists()
    (damaged, *_), done = sorted((tmp_path / 'f.npy.parts').rglob('*.safetensors')), sum(counted)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    counted.clear()
    run(tower, files, out)
    assert (
        done == 15 and sum(counted) == COUNT - 12 + CHUNK
    )  # three whole pieces, one of them damaged
    assert out.read_bytes() == (tmp_path / 'whole.npy').read_bytes()


def test_work_is_used_again_for_the_same_question_only(files, tmp_path):
    out = tmp_path / 'f.npy'

    def computed(tower, **options) -> int:
        seen = []
        hook = tower.register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
        run(tower, options.pop('files', files), out, **options)
        hook.remove()
        return sum(seen)

    tower = tiny_tower()
    assert computed(tower) == COUNT
    assert computed(tower) == 0
    assert computed(tower, precision='bf16') == COUNT
    assert computed(tiny_tower({'type': 'VisualPrompt', 'init': 'normal'})) == COUNT
    assert computed(tower, files=files[:5]) == 5
    stamp = files[0].stat()
    os.utime(files[0], ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert computed(tower, files=files[:5]) == 5
    out.write_bytes(out.read_bytes()[:-4])  # damaged
    assert computed(tower, files=files[:5]) == 5


def test_bad_images_stop_the_run_or_are_left_out_and_listed(tower, files, tmp_path, counted):
    text, gone = tmp_path / 'text.png', tmp_path / 'gone.png'
    text.write_text('not an image')
    images = [*files[:6], text, *files[6:9]]
    out = tmp_path / 'f.npy'
    with pytest.raises(DataError, match=r'text\.png.*--skip-bad'):
        run(tower, images, out)
    with pytest.raises(DataError, match=r'gone\.png: no such file'):  # before anything is computed
        run(tower, [*files, gone], tmp_path / 'g.npy')
    done = sum(counted)
    found = run(tower, images, out, skip_bad=True)
    assert sum(counted) - done == 5  # the first piece was kept
    assert list(found.skipped) == [str(text)] and found.rows == 9
    assert json.loads((tmp_path / 'f.npy.json').read_text())['skipped'] == found.skipped
    np.testing.assert_allclose(np.load(out), tower.encode_images(files[:9]), atol=1e-5)
    with pytest.raises(DataError, match='leaves out 1 images'):
        run(tower, images, out)
    assert run(tower, [gone] * 5, tmp_path / 'h.npy', skip_bad=True).rows == 0
    assert np.load(tmp_path / 'h.npy').shape == (0, tower.feature_dim)


def test_what_cannot_be_asked(tower, files, tmp_path):
    for options, message in (
        ({'precision': 'int8'}, 'precision'),
        ({'batch_size': 0}, 'batch_size'),
        ({'workers': -1}, 'workers'),
        ({'names': ['a']}, '1 names'),
    ):
        with pytest.raises(CiteError, match=message):
            run(tower, files, tmp_path / 'f.npy', **options)
    with pytest.raises(ConfigError, match=r'ends in \.npy'):
        run(tower, files, tmp_path / 'f.pkl')
    with pytest.raises(ConfigError, match='shard'):
        Shard(3, 3)
    tower.stages.trunk.norm.weight.data.fill_(torch.inf)
    with pytest.raises(ModelError, match='not finite in fp32'):
        run(tower, files, tmp_path / 'f.npy')


def test_names_are_what_the_ids_say(tower, files, tmp_path):
    names = [f'slide/{path.name}' for path in files]
    run(tower, files, tmp_path / 'f.npy', names=names)
    with (tmp_path / 'f.npy.csv').open(newline='') as file:
        assert [row['file'] for row in csv.DictReader(file)] == names
