from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from small_adapter import picture_files, write

import cite
from cite.cli import main

MODEL = 'random-vit-tiny'
NAMES = [f's{number % 2}_{number}.png' for number in range(9)]


@pytest.fixture
def folder(tmp_path):
    picture_files(tmp_path / 'patches', NAMES)
    return tmp_path / 'patches'


def features(*words: object) -> int:
    return main(['features', MODEL, *map(str, words), '--device', 'cpu'])


def one_error(capsys) -> str:
    err = capsys.readouterr().err
    assert err.startswith('cite features: error: ') and err.count('\n') == 1, err
    return err


def test_a_folder_becomes_an_array(folder, tmp_path, capsys):
    out = tmp_path / 'f.npy'
    assert features(folder, '--out', out, '--precision', 'fp32') == 0
    found = np.load(out)
    assert capsys.readouterr().out == f'9 × {found.shape[1]} in {out} (fp32)\n'
    wanted = cite.load_vision(MODEL).encode_images(sorted(folder.iterdir()))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_manifest_names_its_files(folder, tmp_path, capsys):
    manifest = tmp_path / 'patches.csv'
    manifest.write_text('file,label\n' + ''.join(f'{name},x\n' for name in NAMES[:3]))
    out = tmp_path / 'f.npz'
    assert features(manifest, '--root', folder, '--out', out) == 0
    with np.load(out, allow_pickle=False) as stored:
        assert stored['files'].tolist() == NAMES[:3]
    record = json.loads((tmp_path / 'f.npz.json').read_text())
    assert record['precision'] in ('bf16', 'fp32')  # auto is settled
    for words, message in (
        ((manifest, '--out', out), 'no such file'),  # beside the manifest there are none
        ((manifest, folder, '--out', out), 'stands alone'),
        ((folder, '--root', folder, '--out', out), 'CSV manifest'),
    ):
        assert features(*words) == 2
        assert message in one_error(capsys)


def test_an_adapter_gives_features_of_the_tuned_tower(folder, tmp_path, capsys):
    adapter, classifier, _ = write(tmp_path)
    out = tmp_path / 'f.npy'
    words = (folder, '--out', out, '--adapter', adapter, '--precision', 'fp32')
    assert features(*words) == 0
    wanted = classifier.backbone.encode_images(sorted(folder.iterdir()))
    np.testing.assert_allclose(np.load(out), wanted, atol=1e-5)
    plain = cite.load_vision(MODEL).encode_images(sorted(folder.iterdir()))
    assert np.abs(plain - wanted).max() > 1e-3
    record = json.loads((tmp_path / 'f.npy.json').read_text())
    assert record['tuning'] == 'VisualPrompt' and record['adapter'] == adapter.name
    assert features(*words, '--image-size', 64) == 2
    assert '--image-size' in one_error(capsys)


def test_bad_images(folder, tmp_path, capsys):
    (folder / 'broken.png').write_text('not an image')
    words = (folder, '--out', tmp_path / 'f.npy')
    assert features(*words) == 2
    assert 'broken.png' in one_error(capsys)
    assert features(*words, '--skip-bad') == 0
    shown = capsys.readouterr().out
    assert 'broken.png' in shown and '1 of 10 images left out' in shown
    with (tmp_path / 'f.npy.csv').open(newline='') as file:
        assert len(list(csv.DictReader(file))) == 9


def test_bad_arguments(folder, tmp_path, capsys):
    for words, message in (
        ((folder, '--out', tmp_path / 'f.pkl'), '.npy'),
        ((folder, '--out', tmp_path / 'f.npy', '--shard', '4/3'), '1/n to n/n'),
        ((folder, '--out', tmp_path / 'f.npy', '--merge'), 'pieces are missing'),
        ((tmp_path / 'nowhere', '--out', tmp_path / 'f.npy'), 'no such file'),
    ):
        assert features(*words) == 2
        assert message in one_error(capsys)


def test_shards_of_a_launcher(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('cite.inference.extraction.extract.__kwdefaults__', _small_pieces())
    assert features(folder, '--out', tmp_path / 'one.npy') == 0
    out = tmp_path / 'three.npy'
    monkeypatch.setenv('WORLD_SIZE', '3')
    for rank in ('0', '1', '2'):
        monkeypatch.setenv('RANK', rank)
        capsys.readouterr()
        assert features(folder, '--out', out) == 0
        assert ('pieces of other shards are missing' in capsys.readouterr().out) == (rank != '2')
    assert out.read_bytes() == (tmp_path / 'one.npy').read_bytes()
    assert features(folder, '--out', out, '--merge', '--shard', '1/1') == 0  # nothing left to do


def _small_pieces():
    from cite.inference.extraction import extract

    return {**extract.__kwdefaults__, 'chunk': 2}


SCRIPT = """
import sys, time
from cite.cli import main
from cite.inference.extraction import extract
from cite.encoders.towers.tower import VisionTower

extract.__kwdefaults__['chunk'] = 2
if sys.argv[1] == 'slow':
    inner = VisionTower.forward
    VisionTower.forward = lambda *inputs: (time.sleep(0.5), inner(*inputs))[1]
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_goes_on_with_equal_bits(folder, tmp_path, how, monkeypatch):
    monkeypatch.setattr('cite.inference.extraction.extract.__kwdefaults__', _small_pieces())
    assert features(folder, '--out', tmp_path / 'whole.npy') == 0

    def start(speed: str, out: str) -> subprocess.Popen:
        words = ['features', MODEL, str(folder), '--out', str(tmp_path / out), '--device', 'cpu']
        environment = {**os.environ, 'PYTHONUNBUFFERED': '1'}
        return subprocess.Popen([sys.executable, '-c', SCRIPT, speed, *words], env=environment)

    process = start('slow', 'f.npy')
    end = time.monotonic() + 60
    while not list(tmp_path.glob('f.npy.parts/*/*.safetensors')) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(how)
    assert process.wait(30) == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    assert not (tmp_path / 'f.npy').exists()
    kept = list(tmp_path.glob('f.npy.parts/*/*.safetensors'))
    assert 1 <= len(kept) < 5
    assert start('fast', 'f.npy').wait(60) == 0
    assert (tmp_path / 'f.npy').read_bytes() == (tmp_path / 'whole.npy').read_bytes()
