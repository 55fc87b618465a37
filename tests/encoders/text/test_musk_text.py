"""MUSK's tokenizer and text encoder. What its layers compute is compared in `zoo/test_musk_layouts.py`."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from layouts import synthetic
from torch import Tensor

from cite.encoders.text import load_text, musk
from cite.encoders.text.musk import musk_text
from cite.encoders.text.sentence_pieces import SentencePieces
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.heads.coop import CoOpHead
from cite.heads.zero_shot import ZeroShotHead
from cite.tuning.lora import LoRA

TEXTS = ['adenoma', 'an H&E image of normal tissue']


@pytest.fixture(scope='module')
def state() -> dict[str, Tensor]:
    state = synthetic('musk', depth=1)
    words = 'beit3.text_embed.weight'
    return {**state, words: state[words][:300].clone()}


@pytest.fixture
def file(tmp_path, state) -> Path:
    torch.save(state, tmp_path / 'musk.pth')
    (tmp_path / 'tokenizer.spm').touch()
    return tmp_path / 'musk.pth'


class Letters:
    """In place of sentencepiece's processor: piece 0 is unknown, letters count from 3."""

    def __init__(self, model_file: str) -> None:
        self.model_file = model_file

    def get_piece_size(self) -> int:
        return 131

    def unk_id(self) -> int:
        return 0

    def encode(self, text: str, out_type: type) -> list[int]:
        return [ord(letter) + 3 if ord(letter) < 128 else 0 for letter in text]


@pytest.fixture
def letters(monkeypatch):
    package = type(sys)('sentencepiece')
    package.SentencePieceProcessor = Letters
    monkeypatch.setitem(sys.modules, 'sentencepiece', package)


def test_numbers_are_those_of_xlm_r(tmp_path, letters):
    tokenizer = SentencePieces(tmp_path / 'tokenizer.spm')
    assert len(tokenizer) == 132
    assert tokenizer('ab') == {'input_ids': [0, 101, 102, 2], 'attention_mask': [1] * 4}
    assert tokenizer('aß')['input_ids'] == [0, 101, 3, 2]
    batch = tokenizer(['a', 'abc'], padding=True, return_tensors='pt')
    assert batch['input_ids'].tolist() == [[0, 101, 2, 1, 1], [0, 101, 102, 103, 2]]
    assert batch['attention_mask'].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    cut = tokenizer(['abcdef'], padding=True, return_tensors='pt', truncation=True, max_length=4)
    assert cut['input_ids'].tolist() == [[0, 101, 102, 2]]


def test_real_vocabulary(tmp_path):
    """Trained here, and read by transformers where that can."""
    sentencepiece = pytest.importorskip('sentencepiece')
    corpus = tmp_path / 'corpus.txt'
    corpus.write_text('\n'.join(f'{text} number {i}' for i in range(200) for text in TEXTS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / 'own'), vocab_size=45, minloglevel=2
    )
    tokenizer = SentencePieces(tmp_path / 'own.model')
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / 'own.model'))
    ids = tokenizer(TEXTS[1])['input_ids']
    assert pieces.decode([i - 1 for i in ids[1:-1]]) == TEXTS[1]
    assert 3 in tokenizer('normal ß')['input_ids'] and len(tokenizer) == 46


def test_without_sentencepiece(file, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sentencepiece', None)
    with pytest.raises(ModelError, match=r'tokenizer\.spm needs .* pip install sentencepiece'):
        load_text('musk', weights=file).encode_text(TEXTS)


def test_without_the_vocabulary(file):
    (file.parent / 'tokenizer.spm').unlink()
    with pytest.raises(ModelError, match=r'tokenizer of musk.*Get tokenizer\.spm from https'):
        load_text('musk', weights=file).encode_text(TEXTS)


def test_texts_of_a_file(file, state, letters):
    encoder = load_text('musk', weights=file)
    found = encoder.encode_text(TEXTS)
    assert found.shape == (2, 1024) and float(found.std()) > 0.1
    with torch.no_grad():
        ids = torch.tensor([[0, *(ord(letter) + 4 for letter in TEXTS[0]), 2]])
        alone = musk_text(state, 'musk')(ids, torch.ones_like(ids))
    assert torch.allclose(found[:1], alone, atol=1e-5)
    assert encoder.provenance()['logit_scale'] == float(state['logit_scale'])
    assert math.isfinite(encoder.provenance()['logit_scale'])


def test_long_texts_are_refused(file, letters):
    assert musk.LIMIT == 100
    with pytest.raises(ConfigError, match='101 tokens is longer than the 100 that musk takes'):
        load_text('musk', weights=file).encode_text(['x' * 99])


def test_can_be_tuned(file, letters):
    tower = load_text('musk', weights=file).tower(LoRA(r=2))
    tower(tower.tokenize(TEXTS)).square().sum().backward()
    trained = [p for p in tower.parameters() if p.requires_grad]
    assert len(trained) == 4 and all(p.grad is not None for p in trained)


def test_vocabulary_of_another_model(file, state, letters):
    words = 'beit3.text_embed.weight'
    torch.save({**state, words: state[words][:100]}, file)
    with pytest.raises(ModelError, match='has 132 tokens, its weights have 100'):
        load_text('musk', weights=file).encode_text(TEXTS)


def test_no_text_half(state):
    with pytest.raises(CheckpointError, match=r'no text half of MUSK: no language_head\.weight'):
        musk_text({k: v for k, v in state.items() if k != 'language_head.weight'}, 'musk')


def test_words_in_front_of_a_name_can_be_learned(file, letters):
    spec = {'model': 'musk', 'weights': file}
    head = CoOpHead(spec, init='H&E of')
    head.attach(1024, ('gland', 'fat'))
    zero = ZeroShotHead(('gland', 'fat'), spec, template='H&E of {}.')
    torch.testing.assert_close(head.embeddings(), zero.anchors, atol=1e-5, rtol=1e-4)
    head.embeddings().square().sum().backward()
    assert (head.context.grad.abs().sum(1) > 0).all()
