from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn
from tower_kinds import VISION

from cite.encoders.text.tower import TextTower
from cite.errors import ConfigError
from cite.tuning.houlsby import HoulsbyAdapter
from cite.tuning.sublayers import sublayers_of

BERT = 'encoder.layer.1.{}'
TINY = {'hidden_size': 24, 'num_hidden_layers': 2, 'num_attention_heads': 2}
TINY |= {'intermediate_size': 32, 'max_position_embeddings': 16}
MODERN = TINY | {'bos_token_id': 1, 'eos_token_id': 2, 'cls_token_id': 1, 'sep_token_id': 2}
PLACES = {  # attention, first and last of the MLP in block 1; channels there
    'vit': ('blocks.1.attn', 'blocks.1.mlp', 'blocks.1.mlp', 48),
    'swin': ('layers.1.blocks.0.attn', *('layers.1.blocks.0.mlp',) * 2, 32),
    'internimage': ('levels.1.blocks.0.dcn', *('levels.1.blocks.0.mlp',) * 2, 32),
    'bert': (
        'encoder.layer.1.attention.output.dense',
        'encoder.layer.1.intermediate.dense',
        'encoder.layer.1.output.dense',
        24,
    ),
    'clip': (
        'text_model.encoder.layers.1.self_attn',
        *('text_model.encoder.layers.1.mlp',) * 2,
        16,
    ),
    'biogpt': ('layers.1.self_attn', 'layers.1.fc1', 'layers.1.fc2', 24),
    'llama': ('layers.1.self_attn', 'layers.1.mlp', 'layers.1.mlp', 24),
    'gpt2': ('h.1.attn', 'h.1.mlp', 'h.1.mlp', 24),
    't5': (
        'encoder.block.1.layer.0.SelfAttention',
        *('encoder.block.1.layer.1.DenseReluDense',) * 2,
        24,
    ),
}


@pytest.mark.parametrize('kind', PLACES)
def test_each_family_is_known(towers, kind):
    tower = towers(kind)
    (found,) = sublayers_of('X', tower, [1])
    names = {module: name for name, module in tower.trunk.named_modules()}
    modules = (found.attention, found.enter_mlp, found.leave_mlp)
    assert (*(names[module] for module in modules), found.channels) == PLACES[kind]
    assert [place.block for place in sublayers_of('X', tower, 'all')] == list(
        range(3 if kind in VISION else 2)
    )


SIZES = {'vocab_size': 16, 'pad_token_id': 0}


@pytest.mark.parametrize(
    ('model', 'config', 'attention', 'mlp'),
    [
        (
            'DistilBertModel',
            {'dim': 24, 'hidden_dim': 32, 'n_layers': 2, 'n_heads': 2},
            'transformer.layer.1.attention.out_lin',
            'transformer.layer.1.ffn',
        ),
        ('MPNetModel', TINY, 'encoder.layer.1.attention.attn.o', 'encoder.layer.1.output.dense'),
        ('ElectraModel', TINY, BERT.format('attention.output.dense'), BERT.format('output.dense')),
        ('ModernBertModel', MODERN, 'layers.1.attn', 'layers.1.mlp'),
    ],
)
def test_kin_of_bert(model, config, attention, mlp):
    """Only built and run: which of them a text encoder can load is its own business."""
    torch.manual_seed(0)
    kind = getattr(transformers, model)
    trunk = kind(kind.config_class(**SIZES, **config)).eval()
    tower = TextTower('t', None, trunk, lambda out, _: out.last_hidden_state.mean(1), 24, 9)
    ids = {'input_ids': torch.tensor([[1, 2, 3]]), 'attention_mask': torch.ones(1, 3).long()}
    before = tower(ids)
    (found,) = sublayers_of('X', tower, [1])
    names = {module: name for name, module in trunk.named_modules()}
    assert (names[found.attention], names[found.leave_mlp]) == (attention, mlp)
    assert found.channels == 24
    tuned = TextTower('t', None, trunk, tower.pool, 24, 9, HoulsbyAdapter(width=4))
    assert torch.equal(tuned(ids), before)
    for value in tuned.tuning.parameters():
        torch.nn.init.normal_(value)
    assert not torch.allclose(tuned(ids), before, atol=1e-3)


@pytest.mark.parametrize(
    ('kind', 'says'),
    [
        ('resnet', r"X: tiny is a convolutional network, with no attention.*'LastBlocks', 'SideT"),
        ('convnext', r"not taken apart into blocks, with no.*'LayerNormTuning', 'SideTuning' or"),
    ],
)
def test_towers_without_a_place_are_told_what_to_do(towers, kind, says):
    with pytest.raises(ConfigError, match=says):
        sublayers_of('X', towers(kind), 'all')


def test_text_models_of_another_kind(towers):
    tower = towers('bert')
    tower.trunk.encoder.layer[1] = nn.Linear(2, 2)  # all blocks must be of the kind
    with pytest.raises(ConfigError, match=r"X: the blocks of .*bert are none.*'LoRA' or 'BitFit'"):
        sublayers_of('X', tower, 'all')


def test_blocks_outside(towers):
    with pytest.raises(ConfigError, match=r'X: blocks \[3\] are outside a tower of 3 blocks'):
        sublayers_of('X', towers('vit'), 3)
