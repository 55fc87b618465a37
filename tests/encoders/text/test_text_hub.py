from __future__ import annotations

import json
import logging

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from cite.encoders.text.hub import cached_first, fingerprint, identity, read_json


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub without a cache that holds one file."""
    file = tmp_path / 'pooling.json'
    file.write_text(json.dumps({'pooling_mode_mean_tokens': True}), encoding='utf-8')

    def metadata(url, **_):
        if '1_Pooling' not in url:
            raise LocalEntryNotFoundError('404')  # the kind that every version builds alike

    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', lambda *a, **k: None)
    monkeypatch.setattr(huggingface_hub, 'get_hf_file_metadata', metadata)
    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', lambda *a, **k: str(file))


def test_small_files_that_transformers_leaves_on_the_hub_are_fetched(hub, caplog):
    assert read_json('owner/model', '1_Pooling/config.json', None) == {
        'pooling_mode_mean_tokens': True
    }
    assert read_json('owner/model', 'no.json', None) == {}
    assert not caplog.records


def test_a_hub_that_cannot_be_asked_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        assert read_json('owner/model', '1_Pooling/config.json', None) == {}
    assert 'cannot be asked' in caplog.text
    assert 'owner/model' in caplog.text


def test_a_folder_is_never_looked_up_on_the_hub(hub, tmp_path):
    assert read_json(str(tmp_path), '1_Pooling/config.json', None) == {}


def test_a_cached_model_is_loaded_without_asking_the_hub(monkeypatch):
    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', lambda *a, **k: 'config.json')
    monkeypatch.setattr(huggingface_hub, 'get_hf_file_metadata', _never)
    assert cached_first(lambda where: where, 'owner/model', None) == {'local_files_only': True}


def test_a_cache_that_lacks_files_is_filled_from_the_hub(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', lambda *a, **k: 'config.json')
    monkeypatch.setattr(huggingface_hub, 'get_hf_file_metadata', lambda *a, **k: None)

    def load(where):
        if where:
            raise OSError('no tokenizer.json in the cache')
        return 'loaded'

    assert cached_first(load, 'owner/model', None) == 'loaded'


def test_without_a_network_nothing_is_tried_again_and_again(hub):
    with pytest.raises(LocalEntryNotFoundError):  # of the one question
        cached_first(_never, 'owner/model', None)


def test_a_folder_needs_no_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, 'get_hf_file_metadata', _never)
    assert cached_first(lambda where: where, str(tmp_path), None) == {}


def _never(*args, **kwargs):
    raise AssertionError('nobody should have asked')


def test_fingerprint_of_a_hub_model_is_its_commit(monkeypatch, tmp_path):
    found = str(tmp_path / 'snapshots' / 'abc123' / 'config.json')
    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', lambda *a, **k: found)
    assert fingerprint('owner/model', None) == 'commit abc123'


def test_fingerprint_of_a_large_file_sees_both_ends_and_the_size(tmp_path):
    weights = tmp_path / 'model.safetensors'
    content = bytearray(3 * 2**20)
    seen = set()
    for change in (None, 0, -1):
        if change is not None:
            content[change] ^= 1
        weights.write_bytes(content)
        seen.add(fingerprint(str(tmp_path), None))
    weights.write_bytes(content + b'x')
    seen.add(fingerprint(str(tmp_path), None))
    assert len(seen) == 4


def test_identity_of_hub_ids_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert identity('owner/model') == 'owner/model'
    assert identity('./model') == str(tmp_path.resolve() / 'model')
    (tmp_path / 'owner' / 'model').mkdir(parents=True)
    assert identity('owner/model') == str(tmp_path.resolve() / 'owner' / 'model')
