from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from slow_swin import block_by_windows, tower_by_windows
from tiny_models import tiny_card, tiny_images
from torch import Tensor, nn
from tower_kinds import check_autocast, check_trains, fit, step, vision

from cite.encoders.towers.swin import Swin
from cite.encoders.towers.tower import VisionTower
from cite.encoders.zoo import CARDS
from cite.errors import ConfigError
from cite.tuning import build_tuning
from cite.tuning.swin_prompt import prompted_block, spread
from cite.tuning.visual_prompt import VisualPrompt

SIZES = {'patch_size': 4, 'embed_dim': 8, 'depths': (2, 2), 'num_heads': (2, 4), 'window_size': 4}
ARCH = 'swin_tiny_patch4_window7_224'
WIDTHS = [8, 8, 16, 16]
GRIDS = {
    'divided': (32, {}),  # 8 × 8 and 4 × 4 patches: the second stage is one window, never shifted
    'padded': (40, {}),  # 10 × 10 and 5 × 5
    'always': (32, {'always_partition': True}),
    'dynamic': (40, {'strict_img_size': False}),
    'wide windows': (32, {'window_size': 6, 'always_partition': True}),  # over a grid of 4 × 4
}


def swin(tuning: Any = None, grid: str = 'divided', std: float = 0.3, **sizes: Any) -> VisionTower:
    side, kwargs = GRIDS[grid]
    kwargs = {**SIZES, 'num_classes': 0, **kwargs, **sizes}
    row = tiny_card('pool', 16, arch_kwargs=kwargs, patch_size=8, image_size=side)
    row = replace(row, arch=ARCH, tower='Swin')
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = Swin.build(row, side).eval()
        for value in trunk.parameters():
            nn.init.normal_(value, std=std)
    return VisionTower(row, trunk, build_tuning(tuning))


def prompted(layers: Any = 'shallow', grid: str = 'divided', **options: Any) -> VisionTower:
    spec = {'type': 'VisualPrompt', 'length': 3, 'layers': layers, 'init': 'normal', **options}
    return swin(spec, grid)


def tuning_of(tower: VisionTower) -> VisualPrompt:
    assert isinstance(tower.tuning, VisualPrompt)
    return tower.tuning


def given(tower: VisionTower) -> dict[int, Tensor]:
    """Block → its prompt, in the order of the blocks within a width."""
    tuning, seen, found = tuning_of(tower), dict[int, int](), {}
    for block in tuning._rows:
        width = WIDTHS[block]
        found[block] = tuning.prompts[str(width)][seen.get(width, 0)]
        seen[width] = seen.get(width, 0) + 1
    return found


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('index', range(4))
@torch.no_grad()
def test_a_block_is_what_its_windows_compute_one_by_one(grid, index):
    tower = swin(grid=grid)
    tokens = tower.embed(tiny_images(2, tower.image_size))
    for number in range(index):
        tokens = tower.stages.block(number, tokens)
    block: Any = tower.blocks[index]
    if index == 1:
        assert any(block.shift_size)
    tokens = tower.stages.merging[index](tokens) if index == 2 else tokens  # type: ignore[attr-defined]
    prompts = torch.randn(2, 3, WIDTHS[index])
    found = prompted_block(block, tokens, prompts)
    expected = block_by_windows(block, tokens, prompts)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0], block(tokens), atol=1e-2)


@pytest.mark.parametrize('fused', [True, False])
def test_fused_attention_or_not(fused):
    tower = swin(grid='padded')
    block: Any = tower.blocks[1]
    block.attn.fused_attn = fused
    tokens, prompts = torch.randn(2, 10, 10, 8), torch.randn(2, 3, 8)
    found = prompted_block(block, tokens, prompts)
    expected = block_by_windows(block, tokens, prompts)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('grid', ['divided', 'padded'])
@pytest.mark.parametrize('layers', ['shallow', 'deep', [1, 3], [0, 2], -1, 2])
@torch.no_grad()
def test_prompts_enter_run_on_merge_and_are_replaced(layers, grid):
    tower = prompted(layers, grid)
    for prompt in tuning_of(tower).prompts.values():
        prompt.normal_(std=1.0)
    images = tiny_images(2, tower.image_size)
    expected = tower_by_windows(tower, images, given(tower))
    torch.testing.assert_close(tower(images), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(tower(images), swin(grid=grid)(images), atol=1e-3)


@pytest.mark.parametrize('grid', GRIDS)
@torch.no_grad()
def test_patches_do_not_move_where_they_do_not_see_the_prompts(grid, monkeypatch):
    def hidden(bias: Tensor, length: int) -> Tensor:
        wide = nn.functional.pad(bias, (length, 0, length, 0))
        wide[..., length:, :length] = -torch.inf
        return wide

    monkeypatch.setattr('cite.tuning.swin_prompt._widened', hidden)
    images = tiny_images(2, GRIDS[grid][0])
    found, plain = prompted('deep', grid)(images), swin(grid=grid)(images)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other():
    tower = prompted('shallow')
    images = tiny_images(3)
    alone = torch.cat([tower(image[None]) for image in images])
    torch.testing.assert_close(tower(images), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ('layers', 'shapes'),
    [
        ('shallow', {'8': (1, 3, 8)}),
        ('deep', {'8': (2, 3, 8), '16': (2, 3, 16)}),
        ([3, 1, 2], {'8': (1, 3, 8), '16': (2, 3, 16)}),
        (-1, {'16': (1, 3, 16)}),
    ],
)
@pytest.mark.parametrize('position', ['prepend', 'add'])
def test_one_parameter_per_width_and_gradients_reach_all(layers, shapes, position):
    tower = prompted(layers, position=position)
    prompts = tuning_of(tower).prompts
    assert {width: tuple(prompt.shape) for width, prompt in prompts.items()} == shapes
    check_trains(tower)
    assert all(prompt.grad.flatten(1).any(dim=1).all() for prompt in prompts.values())
    assert tuning_of(tower).first_stage == min(tuning_of(tower)._rows)


@pytest.mark.parametrize('position', ['prepend', 'add'])
@pytest.mark.parametrize('init', ['token', 'normal'])
def test_state_goes_into_a_fresh_tower(position, init):
    tower = prompted('deep', position=position, init=init)
    step(tower)
    step(tower)
    state = {name: value.clone() for name, value in tower.state_dict().items()}
    assert state.keys() == {f'tuning.{n}' for n in ('prompts.8', 'prompts.16', 'initialized')}
    fresh, images = prompted('deep', position=position, init=init), tiny_images(2, seed=2)
    fresh.load_state_dict(state, strict=True)
    assert fresh.digest == tower.digest
    assert torch.equal(fresh(images), tower(images))
    assert torch.equal(fresh.tuning.prompts['16'], state['tuning.prompts.16'])  # taken once
    assert torch.equal(copy.deepcopy(tower)(images), tower(images))


def test_trains_under_autocast():
    check_autocast(lambda: prompted('deep', 'padded'))


def test_learns():
    torch.manual_seed(0)
    spec = {'type': 'VisualPrompt', 'length': 4, 'layers': 'deep', 'init': 'normal'}
    start, end = fit(vision('swin', spec), lr=0.03)
    assert end < 0.7 * start


@torch.no_grad()
def test_added_prompts_lie_on_the_grid_behind_the_merging():
    tower = prompted([0, 2], position='add')
    first, second = given(tower).values()
    images = tiny_images(2)
    grid = tower.embed(images)
    grid = tower.blocks[1](tower.blocks[0](grid + spread(first, 64).view(8, 8, 8)))
    grid = tower.stages.merging[2](grid)  # type: ignore[attr-defined]
    grid = tower.blocks[3](tower.blocks[2](grid + spread(second, 16).view(4, 4, 16)))
    torch.testing.assert_close(tower(images), tower.pool(grid))
    assert not spread(first, 64)[63:].any()  # 21 times three prompts
    assert torch.equal(spread(first, 64)[60:63], first)


def test_added_zeros_change_nothing():
    images = tiny_images()
    torch.testing.assert_close(
        prompted('deep', position='add', init='zero')(images), swin()(images)
    )


def test_token_init_is_the_mean_token_brought_to_each_width():
    tower = prompted('deep', init='token')
    images = tiny_images(2)
    mean = tower.embed(images).mean((0, 1, 2))
    tower(images)
    narrow, wide = tuning_of(tower).prompts.values()
    torch.testing.assert_close(narrow, mean.expand(2, 3, 8))
    merged = tower.stages.merging[2](mean.expand(1, 2, 2, 8))[0, 0, 0]  # type: ignore[attr-defined]
    torch.testing.assert_close(wide, merged.expand(2, 3, 16))
    before = copy.deepcopy(tuning_of(tower).state_dict())
    tower(tiny_images(2, seed=2))
    assert all(torch.equal(v, before[k]) for k, v in tuning_of(tower).state_dict().items())


@pytest.mark.parametrize('other', ['LoRA', 'HoulsbyAdapter', 'AdaptFormer'])
@pytest.mark.parametrize('first', [True, False])
@torch.no_grad()
def test_other_tunings_act_on_tokens_and_prompts(other, first):
    spec = [{'type': 'VisualPrompt', 'length': 3, 'init': 'normal', 'layers': 'deep'}, other]
    torch.manual_seed(1)
    tower = swin(spec if first else spec[::-1])
    torch.manual_seed(1)
    alone = swin(spec[0])
    prompt = tower.tuning.parts[0 if first else 1]  # type: ignore[union-attr,index]
    for width, value in tuning_of(alone).prompts.items():
        prompt.prompts[width].copy_(value)  # type: ignore[union-attr,operator,index]
    images = tiny_images(2)
    torch.testing.assert_close(tower(images), alone(images))  # the other one starts at zero
    for name, value in tower.named_parameters():
        if value.requires_grad and 'prompts' not in name:
            value.normal_(std=0.1)
    prompts = {n: tuning_of(alone).prompts[str(WIDTHS[n])][n % 2] for n in range(4)}
    assert not torch.allclose(tower(images), alone(images), atol=1e-3)
    if (
        other == 'LoRA'
    ):  # within the layers that slow code calls; hooks are for the attention called whole
        expected = tower_by_windows(tower, images, prompts)
        torch.testing.assert_close(tower(images), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_hooks_on_the_attention_see_the_prompts():
    tower = prompted('shallow')
    shapes = []
    for block in tower.blocks:
        attention: Any = block.attn
        attention.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape)))
    tower(tiny_images(2))
    assert shapes == [(8, 19, 8), (8, 19, 8), (2, 19, 16), (2, 19, 16)]
    assert not any('_get_rel_pos_bias' in vars(block.attn) for block in tower.blocks)


@torch.no_grad()
def test_a_pass_that_failed_leaves_nothing_behind():
    tower = prompted([1])
    images = tiny_images(2)
    expected = tower(images)
    last: Any = tower.blocks[3]
    forward = last.mlp.forward
    last.mlp.forward = None
    with pytest.raises(TypeError):
        tower(images)
    last.mlp.forward = forward
    assert torch.equal(tower(images), expected)


@pytest.mark.parametrize('layers', ['shallow', 'deep'])
def test_ctranspath_of_little_depth(layers):
    row = CARDS['ctranspath']
    row = replace(row, arch_kwargs={**row.arch_kwargs, 'depths': (2, 1, 1, 1)})
    tower = VisionTower(
        row,
        Swin.build(row, 224).eval(),
        build_tuning({'type': 'VisualPrompt', 'layers': layers, 'length': 2}),
    ).train()
    tower(torch.rand(1, 3, 224, 224)).square().sum().backward()
    prompts = tuning_of(tower).prompts
    widths = ['96', '192', '384', '768']
    assert list(prompts) == (widths if layers == 'deep' else widths[:1])
    assert all(p.grad is not None and p.grad.any() for p in prompts.values())
    assert all(p.grad is None for p in tower.trunk.parameters())
    assert not any(m.training for m in tower.trunk.modules())
    trained = sum(p.numel() for p in prompts.values())
    assert tower.tuning.trained_parameters(tower) == trained


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'layers': 4}, 'outside a tower of 4 blocks'),
        ({'layers': 'deep', 'position': 'add', 'length': 17}, r'16 patches of tiny \(in block 2\)'),
    ],
)
def test_what_does_not_fit_is_named(options, named):
    with pytest.raises(ConfigError, match=named):
        prompted(**options)


def test_the_published_prompt_knows_no_windows():
    with pytest.raises(ConfigError, match=r"attends within windows.*'VisualPrompt'"):
        swin('OriginalVisualPrompt')
