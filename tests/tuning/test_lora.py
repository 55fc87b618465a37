from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from small_adapter import build, pictures
from tiny_clip import save_tiny_clip
from tiny_models import DEPTH, save_tiny_bert, tiny_images, tiny_tower
from torch import nn

from cite.adapter import read_adapter, save_adapter
from cite.encoders.text.bert import TextEncoder
from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.text.tower import TextTower
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.images import image_batches
from cite.serving.rebuild import load_adapter

TEXTS = [
    'well tubular gland',
    'gland',
    'poorly of the stomach',
]  # CLIP spells them: up to 24 letters
KINDS = ['vision', 'bert', 'clip']


@pytest.fixture(scope='module')
def encoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    return {
        'bert': TextEncoder(str(save_tiny_bert(folder / 'bert')), 'cls'),
        'clip': CLIPTextEncoder(str(save_tiny_clip(folder / 'clip'))),
    }


@pytest.fixture
def made(encoders):
    """Towers by kind, each loaded anew: made('bert', r=2) or, without LoRA, made('bert', None)."""

    def make(kind: str, plain: str | None = '', **options: Any) -> Any:
        tuning = None if plain is None else {'type': 'LoRA', 'r': 2, **options}
        torch.manual_seed(5)
        return tiny_tower(tuning) if kind == 'vision' else encoders[kind].tower(tuning)

    return make


def features(tower: VisionTower | TextTower) -> torch.Tensor:
    if isinstance(tower, VisionTower):
        return tower(tiny_images())
    return tower(tower.tokenize(TEXTS))


def step(tower: nn.Module, lr: float = 0.1) -> dict[str, torch.Tensor]:
    """One step on a made-up loss; returns the gradients."""
    weights = trainable(tower)
    tower.zero_grad()
    features(tower).square().sum().backward()
    torch.optim.SGD(weights.values(), lr=lr).step()
    return {name: weight.grad for name, weight in weights.items()}


def adapted(tower: VisionTower | TextTower) -> set[str]:
    found = {name for name in trainable(tower.trunk) if '.lora_' in name}
    return {name.partition('.lora_')[0] for name in found}


@pytest.mark.parametrize('kind', KINDS)
def test_untrained_it_changes_nothing(made, kind):
    assert torch.equal(features(made(kind, targets='attn+mlp')), features(made(kind, None)))


@pytest.mark.parametrize('kind', KINDS)
def test_layers_compute_what_the_paper_says(made, kind):
    tower = made(kind, alpha=3)
    for value in trainable(tower).values():
        nn.init.normal_(value, std=0.3)
    plain = made(kind, None)
    with torch.no_grad():
        state = tower.trunk.state_dict()
        for name in adapted(tower):
            a, b = (state[f'{name}.lora_{side}.default.weight'] for side in 'AB')
            plain.trunk.get_submodule(name).weight += 3 / 2 * b @ a
        found = features(tower)
        torch.testing.assert_close(found, features(plain), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, features(made(kind, None)), atol=1e-2)


@pytest.mark.parametrize('kind', KINDS)
def test_every_weight_of_it_trains_and_no_other(made, kind):
    tower = made(kind, targets='attn+mlp').train()
    assert all('.lora_' in name for name in trainable(tower))
    frozen = {n: p.clone() for n, p in tower.named_parameters() if not p.requires_grad}
    digest = tower.digest
    first = step(tower)
    assert all(grad.abs().max() > 0 for name, grad in first.items() if '.lora_B.' in name)
    assert not any(grad.any() for name, grad in first.items() if '.lora_A.' in name)
    assert all(grad.abs().max() > 0 for grad in step(tower).values())
    after = dict(tower.named_parameters())
    assert all(torch.equal(value, after[name]) for name, value in frozen.items())
    assert tower.frozen_digest() == digest == made(kind, None).digest


@pytest.mark.parametrize('kind', KINDS)
def test_digest_sees_frozen_weights(made, kind):
    tower = made(kind)
    layer = tower.trunk.get_submodule(min(adapted(tower)))
    layer.base_layer.weight.data[0, 0] += 1e-3
    assert tower.frozen_digest() != tower.digest


@pytest.mark.parametrize('kind', KINDS)
def test_state_dict_holds_it_alone_and_restores_it(made, kind):
    tower = made(kind)
    step(tower)
    step(tower)
    state = {name: value.clone() for name, value in tower.state_dict().items()}
    assert state.keys() == trainable(tower).keys()
    torch.manual_seed(9)
    other = made(kind)
    assert not torch.allclose(features(other), features(tower))
    other.load_state_dict(state, strict=True)
    assert torch.equal(features(other), features(tower))
    assert torch.equal(features(copy.deepcopy(tower)), features(tower))


def test_the_seed_decides_the_start(made):
    first, second = made('vision').state_dict(), made('vision').state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    torch.manual_seed(6)
    third = tiny_tower({'type': 'LoRA', 'r': 2}).state_dict()
    assert not any(torch.equal(third[name], v) for name, v in first.items() if '.lora_A.' in name)


@pytest.mark.parametrize('kind', KINDS)
def test_dropout_is_on_in_training_and_nothing_else_is(made, kind):
    tower = made(kind, dropout=0.5)
    step(tower)
    tower.train()
    on = {name for name, module in tower.trunk.named_modules() if module.training}
    assert on and all('lora_dropout' in name for name in on)
    assert not torch.equal(features(tower), features(tower))
    tower.eval()
    assert not any(module.training for module in tower.modules())
    assert torch.equal(features(tower), features(tower))
    assert not any(m.training for m in made(kind).train().eval().modules())


@pytest.mark.parametrize('kind', KINDS)
def test_trained_weights_stay_float32_under_autocast(made, kind):
    tower = made(kind).train()
    with torch.autocast('cpu', torch.bfloat16):
        grads = step(tower)
    assert {grad.dtype for grad in grads.values()} == {torch.float32}
    assert {weight.dtype for weight in trainable(tower).values()} == {torch.float32}


BERT_BLOCK = 'encoder.layer.{}.'
BERT_ATTENTION = ['self.query', 'self.key', 'self.value', 'output.dense']


@pytest.mark.parametrize(
    ('kind', 'targets', 'prefix', 'names'),
    [
        ('vision', 'attn', 'blocks.{}.', ['attn.qkv', 'attn.proj']),
        ('vision', 'mlp', 'blocks.{}.', ['mlp.fc1', 'mlp.fc2']),
        ('vision', 'attn+mlp', 'blocks.{}.', ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2']),
        ('vision', ['qkv', 'mlp.fc2'], 'blocks.{}.', ['attn.qkv', 'mlp.fc2']),
        ('bert', 'attn', BERT_BLOCK, [f'attention.{name}' for name in BERT_ATTENTION]),
        ('bert', 'mlp', BERT_BLOCK, ['intermediate.dense', 'output.dense']),
        ('bert', ['query'], BERT_BLOCK, ['attention.self.query']),
        ('bert', ['output.dense'], BERT_BLOCK, ['attention.output.dense', 'output.dense']),
        (
            'clip',
            'attn',
            'text_model.encoder.layers.{}.self_attn.',
            ['q_proj', 'k_proj', 'v_proj', 'out_proj'],
        ),
        ('clip', 'mlp', 'text_model.encoder.layers.{}.mlp.', ['fc1', 'fc2']),
    ],
)
def test_targets_follow_from_the_architecture(made, kind, targets, prefix, names):
    tower = made(kind, targets=targets)
    depth = DEPTH if kind == 'vision' else 2
    assert adapted(tower) == {prefix.format(i) + name for i in range(depth) for name in names}


@pytest.mark.parametrize(
    ('blocks', 'numbers'),
    [('all', [0, 1, 2]), ([-1], [2]), (1, [1]), ([2, 1, -1], [1, 2])],
)
def test_blocks_and_where_gradients_start(made, blocks, numbers):
    tower = made('vision', blocks=blocks)
    assert {int(name.split('.')[1]) for name in adapted(tower)} == set(numbers)
    assert tower.tuning.first_stage == numbers[0]
    inputs = []
    for block in tower.blocks:
        block.register_forward_hook(lambda _m, _i, out: inputs.append(out.requires_grad))
    features(tower)
    assert inputs == [index >= numbers[0] for index in range(DEPTH)]


def test_blocks_of_text_towers_are_counted_too(made):
    assert {name.split('.')[2] for name in adapted(made('bert', blocks=[-1]))} == {'1'}
    with pytest.raises(ConfigError, match=r'blocks \[2\] are outside a tower of 2 blocks'):
        made('bert', blocks=[2])


class Odd(nn.Module):
    """Attention whose names are in part those of BERT."""

    def __init__(self) -> None:
        super().__init__()
        own = nn.ModuleDict({'query_proj': nn.Linear(2, 2), 'value': nn.Linear(2, 2)})
        output = nn.ModuleDict({'dense': nn.Linear(2, 2)})
        attention = nn.ModuleDict({'self': own, 'output': output})
        self.layer = nn.ModuleList([nn.ModuleDict({'attention': attention})])
        self.pooler = nn.Linear(2, 2)


def odd(targets: Any, trunk: nn.Module | None = None) -> TextTower:
    from cite.tuning.lora import LoRA

    trunk = trunk or Odd()
    return TextTower('odd', None, trunk, lambda o, t: o, 2, 9, LoRA(targets=targets))


def test_an_unknown_architecture_is_told_with_its_layers():
    names = r'attention\.output\.dense, attention\.self\.query_proj, attention\.self\.value$'
    with pytest.raises(ConfigError, match=rf'no layers attn\..*in its blocks: {names}'):
        odd('attn')
    with pytest.raises(ConfigError, match=r'no layers query, pooler\.'):
        odd(['dense', 'query', 'pooler'])
    with pytest.raises(ConfigError, match='no linear layers in its blocks'):
        odd('attn', nn.Linear(2, 2))
    assert adapted(odd(['query_proj'])) == {'layer.0.attention.self.query_proj'}


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'r': 0}, 'r must be'),
        ({'r': 2.5}, '2.5'),
        ({'alpha': 0}, 'alpha'),
        ({'alpha': '2r'}, '2r'),
        ({'dropout': 1}, 'dropout'),
        ({'targets': 'query'}, r"attn, mlp, attn\+mlp, qkv, all-linear, conv, or a list.*'query'"),
        ({'targets': []}, 'targets'),
        ({'blocks': [DEPTH]}, r'\[3\] are outside a tower of 3 blocks'),
        ({'blocks': 'last'}, "'all' or block numbers, found 'last'"),
        ({'blocks': []}, 'block numbers'),
        ({'rank': 4}, 'r, alpha, dropout, targets, blocks'),
    ],
)
def test_wrong_options_are_named(made, options, named):
    with pytest.raises(ConfigError, match=named):
        made('vision', **options)


def test_shows_what_it_is(made):
    assert repr(tiny_tower({'type': 'LoRA'}).tuning) == 'LoRA(r=8, attn, 3 blocks)'
    tuning = made('bert', alpha=None, dropout=0.1, targets=['query', 'key'], blocks=[1]).tuning
    assert repr(tuning) == 'LoRA(r=2, dropout=0.1, query+key, blocks=[1])'
    assert repr(made('clip').tuning) == 'LoRA(r=2, alpha=16, attn, 2 blocks)'


def test_putting_the_layers_in_warns_of_nothing(made):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for kind in KINDS:
            made(kind, targets='attn+mlp')


@pytest.mark.parametrize('options', [{'r': 4}, {'targets': 'attn+mlp', 'blocks': [-1]}])
def test_an_adapter_brings_it_back(tmp_path, options):
    classifier, info = build(tuning={'type': 'LoRA', **options})
    (batch,) = image_batches(pictures(4), classifier.backbone.resize, 4)
    weights = trainable(classifier)
    optimiser = torch.optim.SGD(weights.values(), lr=0.05)
    classifier.train()
    for _ in range(2):
        optimiser.zero_grad()
        nn.functional.cross_entropy(classifier(batch), torch.tensor([0, 1, 2, 0])).backward()
        optimiser.step()
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    _, tensors = read_adapter(path)
    lora = {name for name in tensors if name.startswith('backbone.')}
    assert lora == {name for name in weights if '.lora_' in name}
    torch.manual_seed(99)
    loaded, _ = load_adapter(path)
    with torch.inference_mode():
        assert torch.equal(loaded(batch), classifier.eval()(batch))
        plain, _ = build(tuning=None)
        assert not torch.allclose(loaded.backbone(batch), plain.backbone(batch), atol=1e-3)
