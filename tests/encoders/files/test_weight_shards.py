from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cite.encoders.card import Source
from cite.encoders.files.hub import fetch
from cite.encoders.files.state_file import read_state
from cite.errors import CheckpointError

A, B = {'blocks.0.weight': torch.ones(2)}, {'norm.weight': torch.zeros(3)}


def write(folder: Path, weight_map: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(A, folder / 'model-1.safetensors')
    save_file(B, folder / 'model-2.safetensors')
    path = folder / 'model.safetensors.index.json'
    path.write_text(json.dumps({'metadata': {'total_size': 20}, 'weight_map': weight_map}))
    return path


WHOLE = {'blocks.0.weight': 'model-1.safetensors', 'norm.weight': 'model-2.safetensors'}


def test_tensors_of_all_files(tmp_path):
    state = read_state(write(tmp_path, WHOLE))
    assert state.keys() == {*A, *B}
    assert torch.equal(state['norm.weight'], B['norm.weight'])


def test_torch_files_and_prefixes(tmp_path):
    torch.save({f'module.{k}': v for k, v in A.items()}, tmp_path / 'a.bin')
    path = tmp_path / 'pytorch_model.bin.index.json'
    path.write_text(json.dumps({'weight_map': {'module.blocks.0.weight': 'a.bin'}}))
    assert read_state(path).keys() == A.keys()


@pytest.mark.parametrize(
    'name',
    ['../secret.bin', '/etc/passwd', 'sub/x.bin', '..\\x.bin', 'C:\\x.bin', 'C:x.bin', '..', '', 3],
)
def test_files_elsewhere_are_not_read(tmp_path, name):
    with pytest.raises(CheckpointError, match='expected names of files in its own folder'):
        read_state(write(tmp_path, {'x': name}))


def test_index_and_files_must_agree(tmp_path):
    with pytest.raises(CheckpointError, match=r'disagree on 1 tensors such as norm\.weight'):
        read_state(
            write(
                tmp_path,
                {'blocks.0.weight': 'model-1.safetensors'} | {'norm.weight': 'model-1.safetensors'},
            )
        )
    with pytest.raises(CheckpointError, match=r'cannot read .*gone\.safetensors: No such file'):
        read_state(write(tmp_path, {**WHOLE, 'x': 'gone.safetensors'}))
    index = tmp_path / 'model.safetensors.index.json'
    for content in ('<html>', '[]', '{"weight_map": 3}'):
        index.write_text(content)
        with pytest.raises(CheckpointError, match='is no index of weights'):
            read_state(index)


def test_an_index_in_the_hubs_cache_needs_its_files(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
    repo = tmp_path / 'models--someone--model'
    (repo / 'refs').mkdir(parents=True)
    (repo / 'refs' / 'main').write_text('a' * 40)
    index = write(repo / 'snapshots' / ('a' * 40), WHOLE)
    source = Source('someone/model')
    assert fetch(source) == index
    asked = []

    def ask(repo: str, filename: str, revision: str) -> None:
        asked.append(filename)
        raise OSError('no network')

    monkeypatch.setattr('cite.encoders.files.hub.ask', ask)
    (index.parent / 'model-2.safetensors').unlink()
    with pytest.raises(Exception, match='no network'):
        fetch(source)
    assert asked  # a half of the files is no model
