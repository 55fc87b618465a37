from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cite.encoders.files.state_file import read_state, unwrap
from cite.errors import CheckpointError

STATE = {'blocks.0.weight': torch.arange(6.0).view(2, 3), 'bias': torch.ones(2).half()}


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[k], v) for k, v in STATE.items())


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / 'w.safetensors')
    assert same(read_state(tmp_path / 'w.safetensors'))


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'before 1.6'])
def test_torch_save(tmp_path, zipped):
    path = tmp_path / 'w.pth.tar'  # the name does not matter
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    assert same(read_state(path))


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'before 1.6'])
def test_command_line_beside_the_weights_is_passed_over(tmp_path, zipped):
    numbers = {
        'lr': np.float64(1e-3),
        'seed': np.int64(3),
        'amp': np.bool_(True),
        'x': np.float32(1),
    }
    args = argparse.Namespace(**numbers, more=argparse.Namespace(name=np.str_('vit')))
    content = {'model': STATE, 'args': args, 'best': np.float64(0.9), 'epoch': 3}
    torch.save(content, tmp_path / 'w.pth', _use_new_zipfile_serialization=zipped)
    assert same(read_state(tmp_path / 'w.pth'))


def test_names_of_the_numpy_before_2(tmp_path, monkeypatch):
    class OldScalar:
        def __reduce__(self):
            return scalar, (np.dtype('f8'), b'\0' * 8)

    def scalar(*args):
        raise AssertionError('what a file names is not called')

    scalar.__module__, scalar.__qualname__ = 'numpy.core.multiarray', 'scalar'
    monkeypatch.setitem(sys.modules, 'numpy.core.multiarray', SimpleNamespace(scalar=scalar))
    torch.save({'model': STATE, 'lr': OldScalar()}, tmp_path / 'w.pth')
    assert same(read_state(tmp_path / 'w.pth'))


def test_what_other_libraries_allow_is_neither_used_nor_lost(tmp_path):
    with torch.serialization.safe_globals([Path.touch, np.dtype, (Path, 'pathlib.PosixPath')]):
        before = set(torch.serialization.get_safe_globals())
        torch.save({'model': STATE, 'lr': np.float64(1)}, tmp_path / 'w.pth')
        assert same(read_state(tmp_path / 'w.pth'))
        torch.save({'model': STATE, 'folder': Path('runs')}, tmp_path / 'w.pth')
        with pytest.raises(CheckpointError, match=r'besides tensors \(pathlib'):
            read_state(tmp_path / 'w.pth')
        assert set(torch.serialization.get_safe_globals()) == before


class Foreign:
    def __reduce__(self):
        return Path.touch, (Path('executed'),)


def test_pickled_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({'model': STATE, 'x': Foreign()}, tmp_path / 'w.pth')
    message = r'besides tensors \([\w.]+\), which are not loaded because that can run foreign code'
    with pytest.raises(CheckpointError, match=message):
        read_state(tmp_path / 'w.pth')
    assert not (tmp_path / 'executed').exists()


@pytest.mark.parametrize('kind', ['safetensors', 'zip', 'before 1.6'])
def test_truncated(tmp_path, kind):
    whole, path = tmp_path / 'whole', tmp_path / 'w.pth'
    if kind == 'safetensors':
        save_file(STATE, whole)
    else:
        torch.save(STATE, whole, _use_new_zipfile_serialization=kind == 'zip')
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r'w\.pth .*Download it again'):
        read_state(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'\n<!DOCTYPE html><html>Sign in</html>', 'is a web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'git-lfs pointer'),
        (b'', 'found an empty file'),
        (b'\x89HDF\r\n\x1a\n' + bytes(40), 'expected safetensors, a torch.save file'),
    ],
)
def test_not_weights(tmp_path, content, message):
    (tmp_path / 'w.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_state(tmp_path / 'w.pth')


def test_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / 'w.zip', 'w') as archive:
        archive.writestr('medclip/readme.txt', b'')
    with pytest.raises(CheckpointError, match='zip archive without PyTorch weights'):
        read_state(tmp_path / 'w.zip')


def test_numpy_archive(tmp_path):
    np.savez(tmp_path / 'w.npz', **{k: v.numpy() for k, v in STATE.items()}, note=np.array('x'))
    assert same(read_state(tmp_path / 'w.npz'))
    np.savez(tmp_path / 'w.npz', a=np.zeros(2), b=np.array([Foreign()], dtype=object))
    with pytest.raises(CheckpointError, match='damaged'):
        read_state(tmp_path / 'w.npz')


def test_no_such_file(tmp_path):
    with pytest.raises(CheckpointError, match='No such file'):
        read_state(tmp_path / 'w.pth')


@pytest.mark.parametrize(
    'content',
    [
        {'state_dict': {f'module.{k}': v for k, v in STATE.items()}, 'epoch': 3},
        {'student': {'bias': torch.zeros(2)}, 'teacher': STATE},
        {
            'model': {f'teacher.backbone.{k}': v for k, v in STATE.items()}
            | {'student.x': torch.ones(1)}
        },
        {f'encoder.{k}': v for k, v in STATE.items()},
    ],
    ids=['DDP', 'teacher before student', 'flat teacher', 'encoder'],
)
def test_containers_and_prefixes(content):
    assert same(unwrap(content, 'checkpoint'))


def test_heads_beside_a_backbone_keep_their_names():
    teacher = {f'backbone.{k}': v for k, v in STATE.items()}
    state = unwrap({'teacher': {**teacher, 'head.mlp.weight': torch.ones(1)}}, 'DINO')
    assert torch.equal(state.pop('head.mlp.weight'), torch.ones(1))
    assert same(state)


def test_prefix_stays_where_something_else_stands_beside_it():
    state = {'encoder.layer.0.weight': torch.ones(1), 'embeddings.cls_token': torch.ones(1)}
    assert unwrap(state, 'transformers model').keys() == state.keys()


def test_a_student_is_left_out_beside_a_teacher_only():
    state = {'teacher.a': torch.ones(1), 'student.a': torch.zeros(1)}
    assert unwrap(state, 'run').keys() == {'a'}
    state = {'module.a': torch.ones(1), 'student.a': torch.zeros(1)}
    assert unwrap(state, 'something else').keys() == state.keys()


def test_no_tensors():
    with pytest.raises(CheckpointError, match='no tensors in it; its keys: epoch'):
        unwrap({'epoch': 3}, 'w.pth')
    with pytest.raises(CheckpointError, match='found a list'):
        unwrap([1], 'w.pth')
