from __future__ import annotations

import pytest
import torch
from tiny_clip import save_tiny_clip
from tiny_models import save_tiny_bert

from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.text.tower import TextTower
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning import TUNINGS

TEXTS = [
    'well tubular gland',
    'gland',
    'poorly of the stomach',
]  # CLIP spells them: up to 24 letters
KINDS = ['cls', 'mean', 'pooler_output', 'clip']
FULL = {'type': 'FullFineTuning'}
TUNED = [FULL, {'type': 'LoRA', 'r': 2}]


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    dropout = {'hidden_dropout_prob': 0.5, 'attention_probs_dropout_prob': 0.5}
    return save_tiny_bert(folder / 'bert', **dropout), save_tiny_clip(folder / 'clip')


@pytest.fixture
def encoder(folders):
    bert, clip = map(str, folders)
    return lambda kind: CLIPTextEncoder(clip) if kind == 'clip' else TextEncoder(bert, kind)


@pytest.mark.parametrize('kind', KINDS)
def test_a_tower_computes_what_its_encoder_does(encoder, kind):
    tower = encoder(kind).tower()
    expected = encoder(kind).encode_text(TEXTS)
    assert tower.feature_dim == expected.shape[1]
    assert torch.equal(tower.encode_text(TEXTS), expected)
    assert torch.equal(tower(tower.tokenize(TEXTS)), expected)
    torch.testing.assert_close(tower.encode_text(TEXTS, batch_size=2), expected)
    assert torch.cdist(expected, expected)[~torch.eye(3, dtype=torch.bool)].min() > 1e-2


@pytest.mark.parametrize('kind', KINDS)
def test_padding_does_not_matter(encoder, kind):
    tower = encoder(kind).tower()
    together = tower(tower.tokenize(TEXTS))
    alone = torch.cat([tower(tower.tokenize([text])) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('tuning', [None, 'NoTuning'])
def test_a_frozen_tower_takes_no_gradients(encoder, tuning):
    tower = encoder('cls').tower(tuning).train()
    assert not trainable(tower)
    assert not tower(tower.tokenize(TEXTS)).requires_grad
    assert not tower.state_dict()


@pytest.mark.parametrize('kind', KINDS)
def test_full_fine_tuning_reaches_every_weight_that_the_feature_passes(encoder, kind):
    tower = encoder(kind).tower(FULL)
    weights = trainable(tower)
    tower(tower.tokenize(TEXTS)).square().sum().backward()
    for name, weight in weights.items():
        # keys' biases cancel in the softmax
        assert weight.grad is not None, name
        assert weight.grad.any() or name.endswith(('key.bias', 'k_proj.bias')), name
    frozen = {name for name, p in tower.named_parameters() if not p.requires_grad}
    pooler = {'trunk.pooler.dense.weight', 'trunk.pooler.dense.bias'}
    assert frozen == (pooler if kind in ('cls', 'mean') else set())


def test_what_is_tuned_is_not_the_encoder(encoder):
    kept = encoder('cls')
    before = kept.encode_text(TEXTS)
    tower = kept.tower(FULL)
    for weight in trainable(tower).values():
        weight.data.add_(1)
    assert torch.equal(kept.encode_text(TEXTS), before)
    assert not torch.allclose(tower.encode_text(TEXTS), before)


def test_texts_that_are_too_long_are_refused_or_cut(encoder):
    tower = encoder('cls').tower()
    longest, longer = 'gland ' * 14, 'gland ' * 15  # and [CLS], [SEP]: 16 fit
    assert tower.tokenize([longest])['input_ids'].shape == (1, 16)
    for refused in (tower.tokenize, tower.encode_text):
        with pytest.raises(ConfigError, match='text of 17 tokens is longer than the 16 that'):
            refused(['gland', longer])
    assert tower.tokenize([longer], truncate=True)['input_ids'].shape == (1, 16)
    cut = tower.encode_text(['gland', longer], truncate=True)
    torch.testing.assert_close(cut, tower.encode_text(['gland', longest]))


@pytest.mark.parametrize('texts', [[], 'gland', ['gland', ''], ['gland', 3]])
def test_no_texts_and_empty_texts_are_refused(encoder, texts):
    tower = encoder('cls').tower()
    for refused in (tower.tokenize, tower.encode_text):
        with pytest.raises(ConfigError, match='text'):
            refused(texts)


@pytest.mark.parametrize('tuning', [None, 'TextPrompt', *TUNED])
def test_the_trunk_is_in_training_mode_only_where_all_of_it_trains(encoder, tuning):
    tower = encoder('cls').tower(tuning)
    frozen = tuning != FULL
    tower.train()
    assert tower.training
    assert tower.tuning.training
    dropout = {m.training for m in tower.trunk.modules() if isinstance(m, torch.nn.Dropout)}
    assert dropout == {not frozen}
    tokens = tower.tokenize(TEXTS)
    assert torch.equal(tower(tokens), tower(tokens)) == frozen
    # encoding is always without dropout, and leaves the mode as it was
    assert torch.equal(tower.encode_text(TEXTS), tower.encode_text(TEXTS))
    assert tower.training
    assert tower.trunk.training != frozen
    tower.eval()
    assert torch.equal(tower(tokens), tower(tokens))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('tuning', TUNED)
def test_state_dict_holds_what_trains_and_restores_it(encoder, kind, tuning):
    tower = encoder(kind).tower(tuning)
    for weight in trainable(tower).values():
        weight.data.add_(0.1 * torch.randn_like(weight))
    state = tower.state_dict()
    assert state.keys() == trainable(tower).keys()
    again = encoder(kind).tower(tuning)
    assert not torch.allclose(again.encode_text(TEXTS), tower.encode_text(TEXTS))
    again.load_state_dict(state, strict=True)
    assert torch.equal(again.encode_text(TEXTS), tower.encode_text(TEXTS))


@pytest.mark.parametrize('tuning', ['TextPrompt', *TUNED])
def test_the_digest_is_that_of_the_weights_as_loaded(encoder, tuning):
    plain = encoder('cls').tower().digest
    tower = encoder('cls').tower(tuning)
    for weight in trainable(tower).values():
        weight.data.add_(1)  # before anybody asks
    assert tower.digest == plain
    assert (tower.frozen_digest() == plain) == (tuning != FULL)
    assert encoder('clip').tower().digest != plain


def test_tunings_for_images_are_refused(encoder):
    with pytest.raises(ConfigError, match=r"VisualPrompt tunes vision towers.*'LoRA'"):
        encoder('cls').tower('VisualPrompt')
    assert isinstance(encoder('cls').tower(TUNINGS.build('NoTuning')), TextTower)
