from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tiny_clip import save_tiny_clip
from tiny_models import save_tiny_bert, tiny_tower

from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.text.tower import TextTower
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning.text_prompt import TextPrompt

TEXTS = ['well differentiated gland', 'gland', 'poorly differentiated tubular glands']
WORDS = 'the stomach of'  # three tokens
POOLINGS = ['cls', 'mean', 'pooler_output']


@pytest.fixture(scope='module')
def bert(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp('models') / 'bert')


@pytest.fixture
def made(bert):
    def make(pooling: str = 'cls', tuned: bool = True, **options: Any) -> TextTower:
        torch.manual_seed(5)
        tuning = {'type': 'TextPrompt', **options} if tuned else None
        return TextEncoder(str(bert), pooling).tower(tuning)

    return make


def prompt_of(tower: TextTower) -> TextPrompt:
    assert isinstance(tower.tuning, TextPrompt)
    return tower.tuning


def words_of(tower: TextTower, text: str) -> torch.Tensor:
    ids = tower.tokenizer(text, add_special_tokens=False)['input_ids']
    return tower.trunk.get_input_embeddings().weight.detach()[ids]


@pytest.mark.parametrize('pooling', POOLINGS)
def test_vectors_of_words_say_what_the_words_say(made, pooling):
    tower, plain = made(pooling, length=3), made(pooling, tuned=False)
    prompt_of(tower).prompt.data = words_of(tower, WORDS)
    found = tower.encode_text(TEXTS)
    expected = []
    for text in TEXTS:
        tokens = plain.tokenize([f'{WORDS} {text}'])
        with torch.no_grad():
            output = plain.trunk(**tokens)
        hidden = output.last_hidden_state[0]
        own = torch.cat([hidden[:1], hidden[4:]])  # pooling leaves the three out
        ways = {'cls': hidden[0], 'mean': own.mean(0), 'pooler_output': output.pooler_output[0]}
        expected.append(ways[pooling])
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found, plain.encode_text(TEXTS), atol=1e-2)


@pytest.mark.parametrize('pooling', POOLINGS)
def test_padding_does_not_matter(made, pooling):
    tower = made(pooling)
    prompt_of(tower).prompt.data.normal_()
    together = tower.encode_text(TEXTS)
    alone = torch.cat([tower.encode_text([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_masks_and_segments_follow(made):
    tower = made(length=2)
    given = tower.tokenize(TEXTS)
    given['token_type_ids'][:, 2:] = 1
    before = {key: value.clone() for key, value in given.items()}
    inputs = tower.tuning.before_text(given)
    assert inputs.keys() == {'inputs_embeds', 'attention_mask', 'token_type_ids'}
    count, length = before['input_ids'].shape
    embeds = inputs['inputs_embeds']
    assert embeds.shape == (count, length + 2, 24)
    torch.testing.assert_close(embeds[1, 1:3], prompt_of(tower).prompt)
    assert inputs['attention_mask'][:, 1:3].all()
    assert torch.equal(inputs['attention_mask'][:, 3:], before['attention_mask'][:, 1:])
    assert not inputs['token_type_ids'][:, :4].any()
    assert inputs['token_type_ids'][:, 4:].all()
    assert all(torch.equal(value, before[key]) for key, value in given.items())


def test_positions_of_roberta_follow(tmp_path):
    """Its positions come from the tokens' ids, or, without ids, from their order: padding must not tell."""
    from transformers import AutoTokenizer, RobertaConfig, RobertaModel

    from cite.encoders.text.bert import POOLINGS as POOLS

    tokenizer = AutoTokenizer.from_pretrained(save_tiny_bert(tmp_path / 'bert'))
    sizes = {'hidden_size': 24, 'num_hidden_layers': 1, 'num_attention_heads': 2}
    sizes |= {'intermediate_size': 8, 'max_position_embeddings': 20, 'initializer_range': 0.5}
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=len(tokenizer), pad_token_id=0, type_vocab_size=2, **sizes)
    model = RobertaModel(config).eval()
    plain = TextTower('roberta', tokenizer, model, POOLS['cls'], 24, 19)
    expected = plain.encode_text([f'{WORDS} {text}' for text in TEXTS])
    tower = TextTower('roberta', tokenizer, model, POOLS['cls'], 24, 19, TextPrompt(3))
    prompt_of(tower).prompt.data = words_of(tower, WORDS)
    torch.testing.assert_close(tower.encode_text(TEXTS), expected, rtol=1e-5, atol=1e-5)


def test_the_limit_is_lower_by_the_vectors(made):
    tower = made(length=4)
    assert tower.limit == 16 - 4
    longest, longer = 'gland ' * 10, 'gland ' * 11
    assert tower.encode_text([longest]).shape == (1, 24)
    with pytest.raises(ConfigError, match='text of 13 tokens is longer than the 12 that'):
        tower.encode_text([longer])
    cut = tower.encode_text([longer], truncate=True)
    assert torch.equal(cut, tower.encode_text([longest]))


def test_the_vectors_train_and_nothing_else(made):
    tower = made('mean').train()
    weights = trainable(tower)
    assert weights.keys() == {'tuning.prompt'} == tower.state_dict().keys()
    frozen = {name: p.clone() for name, p in tower.named_parameters() if not p.requires_grad}
    with torch.autocast('cpu', torch.bfloat16):
        tower(tower.tokenize(TEXTS)).square().sum().backward()
    grad = prompt_of(tower).prompt.grad
    assert grad.dtype == torch.float32
    assert grad.any(dim=1).all()
    torch.optim.SGD(weights.values(), lr=0.1).step()
    assert all(torch.equal(p, frozen[n]) for n, p in tower.named_parameters() if n in frozen)
    assert tower.frozen_digest() == tower.digest == made(tuned=False).digest
    assert not tower.trunk.training


def test_saved_and_loaded(made):
    tower = made('mean')
    prompt_of(tower).prompt.data.normal_()
    other = made('mean')
    other.load_state_dict(tower.state_dict(), strict=True)
    found = tower.encode_text(TEXTS)
    assert torch.equal(other.encode_text(TEXTS), found)
    twin = copy.deepcopy(tower)
    twin.trunk.get_input_embeddings().weight.data.zero_()
    assert not torch.equal(twin.encode_text(TEXTS), found)  # it reads its own trunk
    assert torch.equal(tower.encode_text(TEXTS), found)


def test_inits(made):
    normal = prompt_of(made(length=13)).prompt.detach()
    assert normal.shape == (13, 24)
    assert normal.std().item() == pytest.approx(0.02, rel=0.1)
    tower = made(length=13, init='token')
    table = tower.trunk.get_input_embeddings().weight.detach()
    drawn = [(table == vector).all(1).nonzero().item() for vector in prompt_of(tower).prompt]
    assert len(set(drawn)) > 3
    assert not set(drawn) & set(tower.tokenizer.all_special_ids)


@pytest.mark.parametrize('init', ['normal', 'token'])
def test_the_seed_decides_the_start(made, init):
    first = prompt_of(made(init=init)).prompt
    assert torch.equal(first, prompt_of(made(init=init)).prompt)


def test_towers_of_other_kinds_are_refused(tmp_path):
    clip = CLIPTextEncoder(str(save_tiny_clip(tmp_path / 'clip')))
    with pytest.raises(ConfigError, match=r'TextPrompt takes text towers of BERT type.*clip.*LoRA'):
        clip.tower('TextPrompt')
    with pytest.raises(ConfigError, match=r"was given the vision tower tiny\..*'VisualPrompt'"):
        tiny_tower({'type': 'TextPrompt'})


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'length': 0}, 'length'),
        ({'length': '4'}, "'4'"),
        ({'length': 14}, r'no room for a text in the 16 tokens.*the longest is 13'),
        ({'init': 'zero'}, 'normal, token'),
        ({'size': 1}, 'length, init'),
    ],
)
def test_wrong_options_are_named(made, options, named):
    with pytest.raises(ConfigError, match=named):
        made(**options)


def test_shows_what_it_is(made):
    assert repr(made(length=2).tuning) == 'TextPrompt(length=2, normal)'
