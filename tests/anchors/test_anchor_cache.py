from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import save_tiny_bert

from cite.anchors import Anchors, embed_texts
from cite.encoders.text.base import FrozenTextEncoder
from cite.encoders.text.bert import TextEncoder
from cite.errors import ConfigError, ModelError

TEXTS = ('well differentiated', 'moderately differentiated', 'poorly differentiated')


class Fake(FrozenTextEncoder):
    """Counts how often it is used."""

    model = 'fake'

    def __init__(self, fingerprint: str | None = 'one', value: float = 1.0) -> None:
        self.calls = 0
        self.value, self.found = value, fingerprint

    def settings(self):
        return {'model': self.model}

    def fingerprint(self):
        return self.found

    def encode_text(self, texts, batch_size=32):
        self.calls += 1
        return self.value * torch.arange(2 * len(texts)).view(-1, 2).float()

    def provenance(self):
        return {**self.settings(), 'fingerprint': self.found}


def files(folder: Path) -> list[Path]:
    return sorted((folder / 'anchors').iterdir())


def test_second_run_needs_no_text_model(tmp_path, monkeypatch, own_cache):
    folder = save_tiny_bert(tmp_path / 'bert')
    spec = {'type': 'TextEncoder', 'model': str(folder), 'pooling': 'mean'}
    first = embed_texts(TEXTS, spec)

    def not_loaded(self):
        raise AssertionError('the encoder was loaded')

    monkeypatch.setattr(TextEncoder, '_load', not_loaded)
    with_folder = embed_texts(TEXTS, spec)
    shutil.rmtree(folder)
    without = embed_texts(list(TEXTS), spec)
    for again in (with_folder, without):
        assert torch.equal(again.embeddings, first.embeddings)
        assert again.texts == TEXTS
        assert again.provenance == first.provenance
        assert again.hash == first.hash
    assert first.provenance['pooling'] == 'mean'
    assert first.provenance['fingerprint'].startswith('sha256')
    assert [file.suffix for file in files(own_cache)] == ['.safetensors']


def test_another_question_is_embedded(monkeypatch):
    encoder = Fake()
    embed_texts(TEXTS, encoder)
    embed_texts(TEXTS, encoder)
    assert encoder.calls == 1
    embed_texts(TEXTS[::-1], encoder)
    embed_texts(TEXTS[:2], encoder)
    assert encoder.calls == 3
    encoder.model = 'other'
    embed_texts(TEXTS, encoder)
    assert encoder.calls == 4


def test_changed_weights_are_embedded_again(tmp_path, caplog):
    folder = save_tiny_bert(tmp_path / 'bert', seed=0)
    first = embed_texts(TEXTS, str(folder))
    save_tiny_bert(folder, seed=1)
    with caplog.at_level(logging.WARNING):
        second = embed_texts(TEXTS, str(folder))
    assert 'has changed' in caplog.text
    assert not torch.allclose(first.embeddings, second.embeddings)
    assert first.provenance['fingerprint'] != second.provenance['fingerprint']
    torch.testing.assert_close(second.embeddings, TextEncoder(str(folder)).encode_text(TEXTS))
    shutil.rmtree(folder)
    assert embed_texts(TEXTS, str(folder)).hash == second.hash


def test_without_the_weights_the_stored_answer_counts():
    embed_texts(TEXTS, Fake('one'))
    absent = Fake(None)
    embed_texts(TEXTS, absent)
    assert absent.calls == 0


@pytest.mark.parametrize(
    'damage', ['empty', 'truncated', 'no metadata', 'other shape', 'no record']
)
def test_a_damaged_file_is_made_anew(own_cache, caplog, damage):
    good = embed_texts(TEXTS, Fake())
    (file,) = files(own_cache)
    content = file.read_bytes()
    tensors = {'embeddings': good.embeddings}
    if damage == 'empty':
        file.write_bytes(b'')
    elif damage == 'truncated':
        file.write_bytes(content[:-5])
    elif damage == 'no metadata':
        save_file(tensors, file)
    elif damage == 'other shape':
        save_file({'embeddings': torch.zeros(2, 2)}, file, {'provenance': '{"fingerprint": "one"}'})
    else:
        save_file(tensors, file, {'provenance': '[1]'})
    encoder = Fake()
    with caplog.at_level(logging.WARNING):
        again = embed_texts(TEXTS, encoder)
    assert 'is damaged' in caplog.text
    assert encoder.calls == 1
    assert again.hash == good.hash
    embed_texts(TEXTS, encoder)
    assert encoder.calls == 1


def test_a_cache_that_cannot_be_written_only_warns(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / 'file'
    blocked.write_text('no folder', encoding='utf-8')
    monkeypatch.setenv('CITE_CACHE', str(blocked))
    with caplog.at_level(logging.WARNING):
        assert embed_texts(TEXTS, Fake()).texts == TEXTS
    assert 'could not be cached' in caplog.text


def test_nothing_is_cached_when_the_encoder_fails(own_cache):
    with pytest.raises(ModelError):
        embed_texts(TEXTS, 'nowhere/no-such-bert')
    assert not (own_cache / 'anchors').exists()


@pytest.mark.parametrize('texts', ['gland', [], ['gland', None], ['gland', '']])
def test_texts_are_checked(texts):
    with pytest.raises(ConfigError, match='text'):
        embed_texts(texts, Fake())


def test_hash_is_of_texts_values_and_their_order():
    values = torch.randn(2, 4)
    one = Anchors(values, ('a', 'b'))
    assert one.hash == Anchors(values.clone(), ('a', 'b'), {'model': 'x'}).hash
    others = [
        Anchors(values, ('b', 'a')),
        Anchors(values, ('a', 'c')),
        Anchors(values.flip(0), ('a', 'b')),
        Anchors(values.flip(0), ('b', 'a')),
        Anchors(values + 1e-3, ('a', 'b')),
    ]
    assert len({one.hash, *(other.hash for other in others)}) == 6


@pytest.mark.parametrize('shape', [(3, 4), (2,), (2, 2, 2)])
def test_one_embedding_per_text(shape):
    with pytest.raises(ConfigError, match=r'2 texts need embeddings of shape \(2, dim\)'):
        Anchors(torch.zeros(shape), ('a', 'b'))


def test_embedding_leaves_no_trace_on_the_random_state(tmp_path):
    """A cold cache gives the same initial projection as a warm one."""
    state = torch.get_rng_state()
    anchors = embed_texts(['a', 'b'], 'random-bert-tiny')
    assert torch.equal(torch.get_rng_state(), state)
    assert not anchors.embeddings.is_inference()  # else loading a checkpoint could not write to it
