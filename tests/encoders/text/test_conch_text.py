"""CONCH's text half against open_clip's text transformer, whose class token has CoCa's mask, too."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from layouts import check_refusals, synthetic
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from torch.nn.functional import normalize, pad

from cite.encoders.pairs import load_pair
from cite.encoders.text import load_text
from cite.encoders.text.conch import CONCHTextEncoder, conch_text
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError, ConfigError, ModelError
from cite.heads.coop import CoOpHead
from cite.heads.zero_shot import ZeroShotHead
from cite.tuning.lora import LoRA

TEXTS = ['Adenoma.', 'an H&E image of normal tissue, of some length']
VOCABULARY = 'conch_byte_level_bpe_uncased.json'
WORDS = 300


def write_vocabulary(path: Path) -> None:
    """Bytes, lower-cased, between the marks of a text."""
    tokens = ['<pad>', '<start_of_text>', '<end_of_text>', *pre_tokenizers.ByteLevel.alphabet()]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single='<start_of_text> $A <end_of_text>',
        special_tokens=[('<start_of_text>', 1), ('<end_of_text>', 2)],
    )
    tokenizer.save(str(path))


@pytest.fixture(scope='module')
def state() -> dict[str, Tensor]:
    state = synthetic('conch_v1', depth=2)
    words = 'text.token_embedding.weight'
    return {**state, words: state[words][:WORDS].clone()}


@pytest.fixture
def file(tmp_path, state) -> Path:
    write_vocabulary(tmp_path / VOCABULARY)
    torch.save(state, tmp_path / 'pytorch_model.bin')
    return tmp_path / 'pytorch_model.bin'


@torch.no_grad()
def expected(state: dict[str, Tensor], ids: Tensor) -> Tensor:
    """Padded to all 127 positions, as the authors do."""
    transformer = pytest.importorskip('open_clip.transformer')
    model = transformer.TextTransformer(
        context_length=127, vocab_size=WORDS, width=768, heads=12, layers=2, embed_cls=True
    )
    model.load_state_dict({k[5:]: v for k, v in state.items() if k.startswith('text.')})
    return model.eval()(pad(ids, (0, 127 - ids.shape[1])))


def close(found: Tensor, other: Tensor) -> bool:
    return bool((found - other).abs().max() < 1e-5 * max(1.0, float(other.abs().max())))


@torch.no_grad()
@pytest.mark.parametrize('lengths', [(3, 9), (9, 126), (40, 127)])
def test_same_as_with_all_padding(state, lengths):
    generator = torch.Generator().manual_seed(4)
    ids = torch.zeros(2, max(lengths), dtype=torch.long)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(3, WORDS, (length,), generator=generator)
    found = conch_text(state, 'conch')(ids, (ids != 0).long())
    assert found.shape == (2, 512) and float(found.std()) > 0.1
    assert close(found, expected(state, ids))


def test_texts_of_a_file(file, state):
    encoder = load_text('conch', weights=file)
    found = encoder.encode_text(TEXTS)
    ids = [[1, *encoder._load()[0].encode(text, add_special_tokens=False), 2] for text in TEXTS]
    assert [len(row) for row in ids] == [len(text) + 2 for text in TEXTS]
    for row, vector in zip(ids, found, strict=True):
        assert close(vector, expected(state, torch.tensor([row]))[0])
    assert torch.equal(found, encoder.encode_text(TEXTS, batch_size=1)) or close(
        encoder.encode_text(TEXTS, batch_size=1), found
    )


def test_pair(file, state, monkeypatch):
    from dataclasses import replace

    card = CARDS['conch-clip']
    monkeypatch.setitem(CARDS, 'conch-clip', replace(card, arch_kwargs={'depth': 2}))
    pair = load_pair('conch', vision={'weights': file, 'image_size': 64}, text={'weights': file})
    assert float(pair.scale.detach()) == pytest.approx(math.exp(float(state['logit_scale'])))
    ids = [[1, *pair.text.tokenizer.encode(t, add_special_tokens=False), 2] for t in TEXTS]
    vectors = [normalize(expected(state, torch.tensor([row])), dim=-1)[0] for row in ids]
    assert close(torch.from_numpy(pair.encode_text(TEXTS)), torch.stack(vectors))
    assert pair.vision.feature_dim == pair.text.feature_dim == 512


def test_long_texts_are_refused(file):
    encoder = load_text('conch', weights=file)
    assert encoder.encode_text(['x' * 125]).shape == (1, 512)
    with pytest.raises(ConfigError, match='128 tokens is longer than the 127 that conch takes'):
        encoder.encode_text(['x' * 126])


def test_can_be_tuned(file):
    tower = CONCHTextEncoder('conch', weights=file).tower(LoRA(r=2))
    tower(tower.tokenize(TEXTS)).square().sum().backward()
    trained = {n: p.grad for n, p in tower.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 2 * 2 and all(grad is not None for grad in trained.values())


def test_without_the_vocabulary(file):
    (file.parent / VOCABULARY).unlink()
    with pytest.raises(ModelError, match=f'tokenizer of conch.*Get {VOCABULARY} from https'):
        load_text('conch', weights=file).encode_text(TEXTS)
    other = file.parent / 'elsewhere.json'
    with pytest.raises(ModelError, match=f'no {VOCABULARY} in {other}'):
        load_text('conch', weights=file, tokenizer=str(other)).encode_text(TEXTS)
    write_vocabulary(other)
    load_text('conch', weights=file, tokenizer=str(other)).encode_text(TEXTS)
    other.write_text('{}')
    with pytest.raises(ModelError, match='is no vocabulary of conch'):
        load_text('conch', weights=file, tokenizer=str(other)).encode_text(TEXTS)


def test_vocabulary_of_another_model(file, state):
    words = 'text.token_embedding.weight'
    torch.save({**state, words: state[words][:200]}, file)
    with pytest.raises(ModelError, match='has 259 tokens, its weights have 200'):
        load_text('conch', weights=file).encode_text(TEXTS)


def test_refusals(state):
    def load(damaged: dict[str, Tensor]) -> None:
        conch_text(damaged, 'conch')

    check_refusals(load, {k: v for k, v in state.items() if 'visual' not in k}, 'qkv')
    with pytest.raises(CheckpointError, match=r'1 missing \(cls_emb\)'):
        load({k: v for k, v in state.items() if k != 'text.cls_emb'})
    words = 'text.token_embedding.weight'
    with pytest.raises(CheckpointError, match='expected matrices'):
        load({**state, words: state[words][0]})


def test_words_in_front_of_a_name_can_be_learned(file):
    spec = {'model': 'conch', 'weights': file}
    head = CoOpHead(spec, init='an H&E image of')
    head.attach(512, ('gland', 'fat'))
    zero = ZeroShotHead(('gland', 'fat'), spec, template='an H&E image of {}.')
    assert head.length == len('an H&E image of')  # this vocabulary spells
    torch.testing.assert_close(head.embeddings(), zero.anchors, atol=1e-5, rtol=1e-4)
    head.embeddings().square().sum().backward()
    assert (head.context.grad.abs().sum(1) > 0).all()
