from __future__ import annotations

import pytest
import torch
from internimage_reference import Reference
from torch import Tensor, nn

from cite.encoders.card import Card
from cite.encoders.towers.dcnv3 import DCNv3
from cite.encoders.towers.internimage import InternImageNet
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import ConfigError, ModelError
from cite.frozen import trainable
from cite.tuning import TUNINGS

SIDE = 64
DEPTHS = (2, 1, 2, 1)
KINDS = {
    'as T': {'post_norm': False},
    'as S and B': {},
    'as L': {'offset_scale': 2.0},
}


def card(**arch: object) -> Card:
    return Card(
        name='tiny',
        arch='internimage',
        tower='InternImage',
        feature='pool',
        feature_dim=12 * 32,
        patch_size=32,
        image_size=SIDE,
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.25, 0.3),
        licence='none',
        citation='none',
        arch_kwargs={'channels': 32, 'depths': DEPTHS, **arch},
    )


def tower(tuning: dict[str, object] | None = None, **arch: object) -> VisionTower:
    """Random in every weight, so that offsets move points and BatchNorm has something to do."""
    trunk = random_trunk(card(**arch), SIDE).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in trunk.state_dict().items():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=generator)
                scaled = noise / max(1, value[0].numel()) ** 0.5
                norm = value.ndim == 1 and name.endswith(('weight', 'var', 'gamma1', 'gamma2'))
                value.copy_(1 + 0.3 * noise.abs() if norm else scaled)
    return VisionTower(card(**arch), trunk, TUNINGS.build(tuning) if tuning else None)


def images(count: int = 2) -> Tensor:
    tiles = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(tiles, size=SIDE)


@pytest.mark.parametrize('kind', KINDS)
def test_equals_the_forward_pass_written_anew(kind):
    model = tower(**KINDS[kind])
    state = model.trunk.state_dict()
    normalised = (images() - model.mean) / model.std
    expected = Reference(state, KINDS[kind].get('offset_scale', 1.0)).features(normalised)
    features = model(images())
    assert features.shape == (2, model.feature_dim)
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert (features[0] - features[1]).abs().max() > 0.01


def test_offsets_move_the_points():
    """The comparisons above would say nothing of offsets that are all zero."""
    model = tower()
    before = model(images())
    with torch.no_grad():
        model.blocks[0].dcn.offset.bias.add_(0.5)
    assert (model(images()) - before).abs().max() > 1e-3


def test_blocks_of_all_levels_in_one_row():
    model = tower()
    assert model.depth == sum(DEPTHS)
    assert (model.width, model.num_prefix_tokens) == (32, 0)
    seen: list[tuple[int, ...]] = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[1:])))
    assert model.embed(images()).shape == (2, 16, 16, 32)
    model(images())
    assert seen == [
        (SIDE // 4 // 2**level, SIDE // 4 // 2**level, 32 * 2**level)
        for level, depth in enumerate(DEPTHS)
        for _ in range(depth)
    ]


@pytest.mark.parametrize(
    ('size', 'millions', 'groups'),
    [('t', 30, (4, 32)), ('s', 50, (5, 40)), ('b', 97, (7, 56)), ('l', 223, (10, 80))],
)
def test_sizes_of_the_paper(size, millions, groups):
    """Table 2 of the paper, with a classifier for 1000 classes; groups of the first and the last level."""
    row = CARDS[f'internimage-{size}']
    with torch.device('meta'):
        trunk = random_trunk(row, row.image_size)
    head = (row.feature_dim + 1) * 1000
    assert round((sum(p.numel() for p in trunk.parameters()) + head) / 1e6) == millions
    layers = [module for module in trunk.modules() if isinstance(module, DCNv3)]
    assert (layers[0].groups, layers[-1].groups) == groups
    assert {layer.offset_scale for layer in layers} == {2.0 if size == 'l' else 1.0}


def test_sizes_of_images():
    with pytest.raises(ModelError, match='multiple'):
        random_trunk(card(), 50)
    smaller = VisionTower(card(), random_trunk(card(), 32))
    assert smaller(torch.rand(1, 3, 32, 32)).shape == (1, 384)


def test_prompts_are_refused_with_what_to_do_instead():
    with pytest.raises(ConfigError, match=r'deformable convolutions.*LoRA'):
        tower({'type': 'VisualPrompt', 'length': 1})


LORA = {
    'mlp': ('mlp', {'mlp.fc1', 'mlp.fc2'}),
    'attention': ('attn', {'dcn.input_proj', 'dcn.output_proj'}),
    'projections': (['dcn.input_proj', 'dcn.output_proj'], {'dcn.input_proj', 'dcn.output_proj'}),
    'offsets': (['dcn.offset'], {'dcn.offset'}),
}


@pytest.mark.parametrize('kind', LORA)
def test_lora(kind):
    targets, inner = LORA[kind]
    blocks = [1, 2, 5]
    model = tower({'type': 'LoRA', 'r': 2, 'targets': targets, 'blocks': blocks}).train()
    plain = tower()
    assert model.digest == plain.digest
    torch.testing.assert_close(model(images()), plain(images()))
    adapted = {name.split('.lora_')[0] for name in trainable(model)}
    names = {module: name for name, module in model.named_modules()}
    assert adapted == {
        f'{names[model.blocks[block]]}.{layer}' for block in blocks for layer in inner
    }

    entering: list[bool] = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _, args: entering.append(args[0].requires_grad))
    model(images()).square().sum().backward()
    assert entering == [False, False, *[True] * (sum(DEPTHS) - 2)]
    for name, value in trainable(model).items():
        if '.lora_B.' in name:  # A has none while B is zero
            assert value.grad is not None and value.grad.abs().sum() > 0, name


def test_its_projections_are_not_query_key_and_value():
    with pytest.raises(ConfigError, match=r"qkv\. Give targets='attn', or .*dcn\.input_proj"):
        tower({'type': 'LoRA', 'targets': 'qkv'})


@pytest.mark.parametrize('kind', KINDS)
def test_full_fine_tuning_reaches_every_weight(kind):
    model = tower({'type': 'FullFineTuning'}, **KINDS[kind]).train()
    model(images()).square().sum().backward()
    for name, value in model.trunk.named_parameters():
        assert value.grad is not None and value.grad.abs().sum() > 0, name


def test_batch_norm_keeps_its_statistics_unless_all_of_it_trains():
    for tuning, moves in (
        ({'type': 'LoRA', 'targets': 'mlp'}, False),
        ({'type': 'FullFineTuning'}, True),
    ):
        model = nn.Sequential(tower(tuning)).train()
        norm = model[0].trunk.conv_head[1][0]
        before = norm.running_mean.clone()
        model(images())
        assert torch.equal(norm.running_mean, before) != moves


def test_bfloat16_is_near():
    model = tower(post_norm=False).eval()
    with torch.inference_mode():
        exact = model(images())
        with torch.autocast('cpu', dtype=torch.bfloat16):
            near = model(images())
    assert torch.nn.functional.cosine_similarity(exact, near.float()).min() > 0.99


def test_new_network_is_a_plain_one():
    net = InternImageNet(SIDE, channels=32, depths=DEPTHS)
    assert not net.levels[0].blocks[0].dcn.offset.weight.any()
    assert net.levels[0].blocks[0].gamma1.unique().item() == pytest.approx(1e-5)
