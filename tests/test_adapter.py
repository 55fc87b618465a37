from __future__ import annotations

import dataclasses
import json
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small_adapter import text_head, write
from tiny_models import CITE_STATE

from cite.adapter import KEY, AdapterInfo, check_tower, read_adapter, read_info, save_adapter
from cite.errors import CheckpointError


def one_line(error: pytest.ExceptionInfo) -> str:
    assert '\n' not in str(error.value)
    return str(error.value)


def with_metadata(source, path, change):
    """The adapter at another path, with `change` applied to its metadata."""
    with safe_open(source, 'pt') as file:
        content = json.loads(file.metadata()[KEY])
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {KEY: json.dumps(change(content))})


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    return write(tmp_path_factory.mktemp('adapter'))


def test_file_is_safetensors_with_json_and_holds_only_what_training_added(saved):
    path, classifier, info = saved
    raw = path.read_bytes()
    (length,) = struct.unpack('<Q', raw[:8])
    header = json.loads(raw[8 : 8 + length])
    about = json.loads(header.pop('__metadata__')[KEY])
    assert about == dataclasses.asdict(info)
    # every byte behind the header belongs to a tensor that the header names: no room for a pickle
    assert len(raw) == 8 + length + max(entry['data_offsets'][1] for entry in header.values())
    assert set(header) == CITE_STATE
    assert len(raw) < sum(p.numel() * 4 for p in classifier.parameters()) / 10


def test_what_is_read_is_what_was_saved(saved):
    path, classifier, info = saved
    assert read_info(path) == info
    found, state = read_adapter(path)
    assert found == info
    for name, value in classifier.state_dict().items():
        assert torch.equal(state[name], value), name


def test_saving_is_atomic(tmp_path, saved, monkeypatch):
    _, classifier, info = saved
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    before = path.read_bytes()
    monkeypatch.setattr('os.fsync', lambda number: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        save_adapter(path, classifier.state_dict(), dataclasses.replace(info, precision='bf16'))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_clip_adapter_is_small(tmp_path):
    """ViT-B/16 of CLIP, one prompt, 512 → 1024, three anchors of BioLinkBERT-large."""
    path, classifier, _ = write(
        tmp_path,
        tower={'model': 'clip-vit-b16', 'pretrained': False},
        tuning={'type': 'VisualPrompt', 'length': 1, 'init': 'token'},
        head=text_head(1024),
    )
    state = read_adapter(path)[1]
    assert state['neck.weight'].shape == (1024, 512)
    assert state['backbone.tuning.prompt'].shape == (1, 1, 768)
    assert all(value.dtype in (torch.float32, torch.bool) for value in state.values())
    assert path.stat().st_size < 2.2e6
    assert classifier.backbone.feature_dim == 512


def test_files_that_are_no_adapter(tmp_path, saved):
    with pytest.raises(CheckpointError, match='no such file'):
        read_info(tmp_path / 'gone.safetensors')
    with pytest.raises(CheckpointError, match='a folder'):
        read_info(tmp_path)
    other = tmp_path / 'other.safetensors'
    save_file({'weight': torch.zeros(2)}, other)
    with pytest.raises(CheckpointError, match=r'no adapter of cite') as error:
        read_info(other)
    one_line(error)
    pickled = tmp_path / 'pickled.safetensors'
    torch.save({'weight': torch.zeros(2)}, pickled)
    text = tmp_path / 'text.safetensors'
    text.write_text('<html>Not found</html>')
    (tmp_path / 'empty.safetensors').touch()
    for path in (pickled, text, tmp_path / 'empty.safetensors'):
        with pytest.raises(CheckpointError, match='damaged or no safetensors') as error:
            read_info(path)
        assert str(path) in one_line(error)


def test_damaged_anywhere_is_told_in_one_line(tmp_path, saved):
    raw = saved[0].read_bytes()
    path = tmp_path / 'cut.safetensors'
    for end in (3, 8, 40, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:end])
        with pytest.raises(CheckpointError) as error:
            read_adapter(path)
        assert str(path) in one_line(error)
    path.write_bytes(raw + b'a pickle behind it')
    with pytest.raises(CheckpointError):
        read_adapter(path)
    rng = torch.Generator().manual_seed(0)
    for position in torch.randint(0, 2500, (60,), generator=rng).tolist():
        damaged = bytearray(raw)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_adapter(path)
        except CheckpointError as error:
            assert '\n' not in str(error)


@pytest.mark.parametrize('content', ['', '{', 'null', '[1]', '"x"', '[' * 100_000, '1e999'])
def test_metadata_that_are_no_object(tmp_path, content):
    path = tmp_path / 'adapter.safetensors'
    save_file({'weight': torch.zeros(2)}, path, {KEY: content})
    with pytest.raises(CheckpointError) as error:
        read_info(path)
    one_line(error)


def test_another_format_is_told_before_its_fields_are_judged(tmp_path, saved):
    path = tmp_path / 'future.safetensors'
    with_metadata(saved[0], path, lambda c: {'format': 2, 'of': 'the future'})
    with pytest.raises(CheckpointError, match='format 2, this version reads 1') as error:
        read_info(path)
    one_line(error)


def drop(key):
    return lambda c: {k: v for k, v in c.items() if k != key}


HOSTILE = {
    'unknown key': (lambda c: {**c, '__class__': 'os.system'}, 'unknown keys'),
    'missing key': (drop('classes'), 'missing keys'),
    'classes of another type': (lambda c: {**c, 'classes': 'abc'}, 'classes is of type str'),
    'empty classes': (lambda c: {**c, 'classes': []}, 'different names'),
    'repeated class': (lambda c: {**c, 'classes': ['a', 'a', 'b']}, 'different names'),
    'classes of numbers': (lambda c: {**c, 'classes': [1, 2, 3]}, 'different names'),
    'backbone of another type': (lambda c: {**c, 'backbone': ['rm']}, 'backbone is of type list'),
    'no model': (lambda c: {**c, 'backbone': {}}, 'names no model'),
    'neck of another type': (lambda c: {**c, 'neck': 'x'}, 'neck is of type str'),
    'precision': (lambda c: {**c, 'precision': '../fp8'}, 'unknown precision'),
    'a text encoder to run': (
        lambda c: {**c, 'head': {**c['head'], 'text_encoder': 'evil/repo'}},
        'head has text_encoder',
    ),
    'texts': (lambda c: {**c, 'head': {**c['head'], 'texts': [1, 2, 3]}}, 'list of texts'),
}


@pytest.mark.parametrize('case', HOSTILE)
def test_metadata_that_cite_did_not_write(tmp_path, saved, case):
    path = tmp_path / 'hostile.safetensors'
    change, message = HOSTILE[case]
    with_metadata(saved[0], path, change)
    with pytest.raises(CheckpointError, match=message) as error:
        read_adapter(path)
    assert str(path) in one_line(error)


def test_digest_of_another_tower_is_refused_by_both_names(saved):
    _, classifier, info = saved
    check_tower('x', info.tower_digest, classifier.backbone)
    with pytest.raises(CheckpointError) as error:
        check_tower('checkpoint x', 'ab' * 32, classifier.backbone)
    assert 'abababababab' in one_line(error)
    assert info.tower_digest[:12] in str(error.value)
    assert 'random-vit-tiny' in str(error.value)


def test_info_defaults_are_not_shared():
    options = dict(backbone={}, neck=None, head={}, classes=[], tower_digest='', preprocessing={})
    first, second = AdapterInfo(**options), AdapterInfo(**options)
    assert first.training is not second.training
