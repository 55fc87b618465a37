from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from injected_towers import convnet, with_tuning
from tiny_models import DEPTH, tiny_tower, tiny_trunk
from torch import nn

from cite.encoders.text.tower import TextTower
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning import TUNINGS
from cite.tuning.layer_names import FAMILIES, TARGETS
from cite.tuning.layers import is_convolution


def adapted(tower: VisionTower | TextTower, block: str = '') -> set[str]:
    """Names of what LoRA was put beside, within a block."""
    names = {name.partition('.lora_')[0] for name in trainable(tower.trunk)}
    return {name.removeprefix(block) for name in names if name.startswith(block)}


def lora(targets: Any, **options: Any) -> dict[str, Any]:
    return {'type': 'LoRA', 'r': 1, 'targets': targets, **options}


def text(trunk: nn.Module, targets: Any) -> TextTower:
    parts = ('made up', None, trunk, lambda output, _: output, 2, 9)
    return TextTower(*parts, TUNINGS.build(lora(targets)))


QKV, PROJ = 'attn.qkv', 'attn.proj'
FC1, FC2 = 'mlp.fc1', 'mlp.fc2'
EVA_QKV = {'attn.q_proj', 'attn.k_proj', 'attn.v_proj'}


@pytest.mark.parametrize(
    ('targets', 'names'),
    [
        ('attn', {QKV, PROJ}),
        ('qkv', {QKV}),
        ('mlp', {FC1, FC2}),
        ('attn+mlp', {QKV, PROJ, FC1, FC2}),
        ('all-linear', {QKV, PROJ, FC1, FC2}),
        (['proj', 'mlp.fc2'], {PROJ, FC2}),
    ],
)
@pytest.mark.parametrize('kind', ['vit', 'swin'])
def test_words_of_timms_transformers(kind, targets, names):
    tower = with_tuning(lora(targets, blocks=[0]), kind)
    assert adapted(tower, 'layers.0.blocks.0.' if kind == 'swin' else 'blocks.0.') == names


def test_swiglu_has_three_layers_or_two():
    from timm.layers import SwiGLU, SwiGLUPacked

    def names(layer: type[nn.Module], targets: str) -> set[str]:
        return adapted(tiny_tower(lora(targets), tiny_trunk(mlp_layer=layer)), 'blocks.1.')

    assert names(SwiGLU, 'mlp') == {'mlp.fc1_g', 'mlp.fc1_x', FC2}
    assert names(SwiGLU, 'attn+mlp') == {'mlp.fc1_g', 'mlp.fc1_x', FC2, QKV, PROJ}
    assert names(SwiGLUPacked, 'mlp') == {FC1, FC2}


def eva(tuning: Any, **kwargs: Any) -> VisionTower:
    trunk = timm.create_model(
        'eva02_tiny_patch14_224', img_size=32, patch_size=8, embed_dim=48, depth=DEPTH, num_heads=3,
        num_classes=0, **kwargs,
    )  # fmt: skip
    return tiny_tower(tuning, trunk.eval())


def test_eva_has_a_layer_each_for_query_key_and_value():
    assert adapted(eva(lora('qkv'), qkv_fused=False), 'blocks.2.') == EVA_QKV
    assert adapted(eva(lora('attn'), qkv_fused=False), 'blocks.2.') == {*EVA_QKV, PROJ}
    assert adapted(eva(lora('mlp'), qkv_fused=False), 'blocks.2.') == {FC1, FC2}


def test_layers_that_are_not_called_are_refused():
    """Some EVA take the weight of 'qkv' and put a bias of their own to it: nothing beside it would act."""
    for targets in ('qkv', 'attn', 'all-linear'):
        with pytest.raises(
            ConfigError, match=r'LoRA: blocks\.0\.attn\.qkv .* not call.*Leave attn\.qkv'
        ):
            eva(lora(targets), qkv_fused=True)
    tower = eva(lora(['attn.proj', 'mlp.fc2']), qkv_fused=True)
    assert adapted(tower, 'blocks.0.') == {PROJ, FC2}


def test_attention_of_pytorch_is_not_called_by_its_layers():
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    trunk = nn.ModuleDict({'layers': nn.ModuleList([layer])})
    with pytest.raises(ConfigError, match=r'layers\.0\.self_attn\.out_proj .* not call'):
        text(trunk, 'all-linear')
    assert adapted(text(trunk, ['linear1', 'linear2'])) == {'layers.0.linear1', 'layers.0.linear2'}


CONVNETS = {
    'test_resnet': {},
    'seresnext26t_32x4d': {},
    'resnetv2_50x1_bit': {'channels': (128, 128, 128, 128)},
    'densenet121': {'block_config': (2, 2, 3, 1), 'growth_rate': 8},
}


@pytest.mark.parametrize('arch', CONVNETS)
def test_conv_is_every_convolution_of_the_blocks_that_is_not_grouped(arch):
    tower = convnet(arch, lora('conv', blocks=[1, -1]), **CONVNETS[arch])
    plain = convnet(arch, None, **CONVNETS[arch])
    wanted = {
        f'{name}.{inner}'
        for name, module in plain.trunk.named_modules()
        for block in (plain.blocks[1], plain.blocks[-1])
        if module is block
        for inner, layer in block.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == 1
    }
    assert adapted(tower) == wanted
    assert len(wanted) > 1


def test_endings_name_convolutions_too():
    tower = convnet('test_resnet', lora(['conv2', 'downsample.1']))
    assert {name.rpartition('.')[2] for name in adapted(tower)} == {'conv2', '1'}
    with pytest.raises(
        ConfigError, match=r"no layers conv9\. Give targets='conv', or .*; convolutions in"
    ):
        convnet('test_resnet', lora(['conv9']))


def test_convolutions_that_pad_by_their_input_are_none():
    from timm.layers import Conv2dSame

    assert is_convolution(nn.Conv2d(4, 4, 3, padding=1))
    assert not is_convolution(nn.Conv2d(4, 4, 3, padding='same'))
    assert not is_convolution(nn.Conv2d(4, 4, 3, groups=2))
    assert not is_convolution(Conv2dSame(4, 4, 3, stride=2))
    assert not is_convolution(nn.Conv1d(4, 4, 3))


def test_a_transformer_has_no_convolutions_in_its_blocks():
    with pytest.raises(
        ConfigError, match=r"no layers conv\. Give targets='attn', or targets='mlp'"
    ):
        tiny_tower(lora('conv'))


def block_of(names: tuple[str, ...]) -> nn.Module:
    """A module with a linear layer under each of the names."""
    block = nn.Module()
    for name in names:
        parent = block
        *path, last = name.split('.')
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = getattr(parent, part)
        parent.add_module(last, nn.Linear(2, 2))
    return block


@pytest.mark.parametrize(
    ('word', 'names'), [(word, names) for word, rows in FAMILIES.items() for names in rows]
)
def test_every_family_is_found_by_its_word(word, names):
    trunk = nn.ModuleDict({'layer': nn.ModuleList(block_of((*names, 'other')) for _ in range(2))})
    assert adapted(text(trunk, word), 'layer.1.') == set(names)
    if len(names) > 1:  # half a family is none
        half = nn.ModuleDict({'layer': nn.ModuleList([block_of((*names[1:], 'other'))])})
        with pytest.raises(ConfigError, match=f'no layers {word}'):
            text(half, word)


def test_words_are_known():
    assert set(FAMILIES) < set(TARGETS)
    with pytest.raises(ConfigError, match=r'targets must be one of attn, mlp, .*all-linear, conv'):
        TUNINGS.build(lora('attention'))


def test_what_an_adapter_put_in_is_no_layer():
    tower = tiny_tower(lora('attn'))
    count = tower.tuning.trained_parameters(tower)
    assert count == sum(value.numel() for value in trainable(tower).values())
    second = TUNINGS.build({'type': 'IA3', 'targets': 'all-linear'})
    assert second.trained_parameters(tower) == DEPTH * (3 * 48 + 48 + 4 * 48 + 4 * 48)
    assert torch.is_tensor(tower.trunk.blocks[0].attn.qkv.weight)
