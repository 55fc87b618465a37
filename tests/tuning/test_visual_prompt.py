from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from prompt_ranks import take_token
from tiny_models import (
    DEPTH,
    PATCH,
    PATCHES,
    WIDTH,
    tiny_card,
    tiny_images,
    tiny_tower,
    tiny_trunk,
)
from torch import Tensor

from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.tuning import TUNINGS
from cite.tuning.visual_prompt import VisualPrompt


def prompted(trunk: Any = None, **options: Any) -> VisionTower:
    return tiny_tower({'type': 'VisualPrompt', 'init': 'normal', **options}, trunk)


def prompt_of(tower: VisionTower) -> VisualPrompt:
    assert isinstance(tower.tuning, VisualPrompt)
    return tower.tuning


def by_hand(tower: VisionTower, images: Tensor, prompts: dict[int, Tensor]) -> Tensor:
    """Visual prompt tuning as the paper's equations have it: the last given prompt is in the tokens."""
    n, tokens = tower.num_prefix_tokens, tower.embed(images)
    prefix, patches, length = tokens[:, :n], tokens[:, n:], 0
    for index, block in enumerate(tower.blocks):
        current = torch.cat([prefix, patches], 1)
        if index in prompts:
            length = len(prompts[index])
            rows = prompts[index].expand(len(images), -1, -1)
        if length:
            current = torch.cat([prefix, rows, patches], 1)
        out = block(current)
        prefix, rows, patches = out[:, :n], out[:, n : n + length], out[:, n + length :]
    return tower.pool(torch.cat([prefix, patches], 1))


@pytest.mark.parametrize('arch', ['plain', 'registers', 'no prefix'])
@pytest.mark.parametrize(
    ('layers', 'blocks'),
    [
        ('shallow', [0]),
        ('deep', [0, 1, 2]),
        (1, [1]),
        (-1, [2]),
        ([2], [2]),
        ([0, 2], [0, 2]),
        ((2, 0, 0), [0, 2]),
        ([-1, 0], [0, 2]),
    ],
)
def test_prepended_prompts_enter_and_replace_at_their_blocks(arch, layers, blocks):
    kwargs: dict[str, Any] = {
        'plain': {},
        'registers': {'arch': 'vit_small_patch14_reg4_dinov2'},
        'no prefix': {'class_token': False, 'global_pool': 'map'},
    }[arch]
    tower = prompted(tiny_trunk(**kwargs), layers=layers, length=3)
    prompt = prompt_of(tower).prompt
    assert prompt.shape == (len(blocks), 3, WIDTH)
    with torch.no_grad():
        prompt.normal_(std=1.0)
        images = tiny_images()
        expected = by_hand(tower, images, dict(zip(blocks, prompt, strict=True)))
        torch.testing.assert_close(tower(images), expected)


KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    'no class token': ('PlainViT', {'class_token': False, 'global_pool': 'avg'}, {}),
    'class token': ('PlainViT', {}, {}),
    'registers and LayerScale': ('PlainViT', {'arch': 'vit_small_patch14_reg4_dinov2'}, {}),
    'registers and SwiGLU': ('PlainViT', {'arch': 'vit_giant_patch14_reg4_dinov2'}, {}),
    'mean beside class token': (
        'PlainViT',
        {},
        {'feature': 'token+mean', 'feature_dim': 2 * WIDTH},
    ),
    'attentional pooling': ('PooledViT', {}, {'feature': 'pool', 'feature_dim': 16}),
    'tiles': ('HIPT4K', {}, {'feature_dim': 48, 'image_size': 512, 'patch_size': 256}),
}


def of_kind(name: str, tuning: dict[str, Any] | None = None) -> VisionTower:
    """A tower with that prefix or pooling, all weights random."""
    tower, kwargs, fields = KINDS[name]
    if tower == 'PlainViT':
        return tiny_tower(tuning, tiny_trunk(**kwargs), **fields)
    sizes = {'depth': 2, 'tile_depth': 1}
    if tower == 'PooledViT':
        sizes = {'embed_dim': WIDTH, 'depth': DEPTH, 'num_heads': 3, 'patch_size': PATCH}
    row = tiny_card(tower=tower, arch_kwargs=sizes, **fields)
    trunk = STAGES.get(tower).build(row, row.image_size).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for value in trunk.parameters():
            torch.nn.init.normal_(value, std=0.1)
    return VisionTower(row, trunk, TUNINGS.build(tuning) if tuning else None)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('layers', ['shallow', 'deep'])
def test_every_kind_of_prefix_and_pooling(kind, layers):
    tower = of_kind(kind, {'type': 'VisualPrompt', 'length': 3, 'layers': layers, 'init': 'normal'})
    prompt = prompt_of(tower).prompt
    with torch.no_grad():
        prompt.normal_(std=0.5)
    images = tiny_images(side=tower.image_size)
    found = tower.train()(images)
    blocks = [0] if layers == 'shallow' else range(tower.depth)
    with torch.no_grad():
        by_equations = by_hand(tower, images, dict(zip(blocks, prompt, strict=True)))
        plain = of_kind(kind)(images)
    torch.testing.assert_close(found.detach(), by_equations, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-4)
    found.square().sum().backward()
    assert prompt.grad is not None
    assert prompt.grad.flatten(2).any(dim=2).all()  # of every prompt token of every block
    assert all(p.grad is None for p in tower.trunk.parameters())
    assert not any(module.training for module in tower.trunk.modules())
    assert tower.tuning.trained_parameters(tower) == prompt.numel()


@pytest.mark.parametrize('arch', ['vit_tiny_patch16_224', 'vit_small_patch14_reg4_dinov2'])
def test_order_is_prefix_prompts_patches(arch):
    tower = prompted(tiny_trunk(arch), layers=1, length=2)
    tuning, n = prompt_of(tower), tower.num_prefix_tokens
    tokens = torch.randn(2, n + PATCHES, WIDTH)
    assert tuning.before_block(0, tokens) is tokens
    out = tuning.before_block(1, tokens)
    torch.testing.assert_close(out[:, :n], tokens[:, :n])
    torch.testing.assert_close(out[1, n : n + 2], tuning.prompt[0])
    torch.testing.assert_close(out[:, n + 2 :], tokens[:, n:])
    torch.testing.assert_close(tuning.after_blocks(out), tokens)


@pytest.mark.parametrize('length', [1, 3, PATCHES])
def test_added_prompts_repeat_over_the_patches(length):
    tower = prompted(tiny_trunk('vit_small_patch14_reg4_dinov2'), length=length, position='add')
    tuning, n = prompt_of(tower), tower.num_prefix_tokens
    tokens = torch.randn(2, n + PATCHES, WIDTH)
    expected = tokens.clone()
    for patch in range(PATCHES - PATCHES % length):  # 16 patches, 3 prompts: the last gets nothing
        expected[:, n + patch] += tuning.prompt[0, patch % length]
    torch.testing.assert_close(tuning.before_block(0, tokens), expected)
    assert tuning.after_blocks(tokens) is tokens


def test_zero_added_prompts_change_nothing():
    images = tiny_images()
    prompt = prompted(layers='deep', position='add', init='zero', length=2)
    torch.testing.assert_close(prompt(images), tiny_tower()(images))


def test_inits():
    def values(init: str) -> Tensor:
        torch.manual_seed(0)
        return prompt_of(prompted(init=init, length=40, layers='deep')).prompt.detach()

    normal, uniform, kaiming = values('normal'), values('uniform'), values('kaiming')
    assert normal.std().item() == pytest.approx(0.02, rel=0.05)
    assert uniform.abs().max() <= 0.08
    assert uniform.std().item() == pytest.approx(0.08 / 3**0.5, rel=0.05)
    assert kaiming.std().item() == pytest.approx((2 / (40 * WIDTH)) ** 0.5, rel=0.05)
    assert not values('zero').any()
    assert not values('token').any()


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('position', ['prepend', 'add'])
def test_token_init_is_the_mean_embedded_token_of_the_first_batch(position, training):
    tower = prompted(init='token', layers=[1, 2], length=2, position=position).train(training)
    first, second = tiny_images(4, seed=1), tiny_images(4, seed=2)
    mean = tower.embed(first).mean((0, 1))
    tower(first)
    torch.testing.assert_close(prompt_of(tower).prompt, mean.expand(2, 2, WIDTH))
    before = prompt_of(tower).prompt.clone()
    tower(second)
    tower.encode_images([(image * 255).byte() for image in first])
    assert torch.equal(prompt_of(tower).prompt, before)


def test_token_init_happens_in_inference_mode_too():
    tower = prompted(init='token')
    with torch.inference_mode():
        tower(tiny_images())
    assert prompt_of(tower).prompt.any()
    tower(tiny_images()).sum().backward()  # and the prompt still trains
    assert prompt_of(tower).prompt.grad is not None


def test_token_init_is_not_taken_again_after_loading():
    trained = prompted(init='token')
    trained(tiny_images(seed=1))
    with torch.no_grad():
        prompt_of(trained).prompt.mul_(3)
    state = copy.deepcopy(trained.state_dict())
    fresh = prompted(init='token')
    fresh.load_state_dict(state, strict=True)
    images = tiny_images(seed=2)
    torch.testing.assert_close(fresh(images), trained(images))
    assert torch.equal(prompt_of(fresh).prompt, state['tuning.prompt'])


def test_a_prompt_saved_before_its_first_batch_is_still_to_be_initialised():
    state = copy.deepcopy(prompted(init='token').state_dict())
    assert not state['tuning.initialized']
    used = prompted(init='token')
    used(tiny_images(seed=1))
    used.load_state_dict(state, strict=True)
    images = tiny_images(seed=2)
    used(images)
    mean = used.embed(images).mean((0, 1))
    torch.testing.assert_close(prompt_of(used).prompt[0, 0], mean)


def test_token_init_under_autocast_is_the_float32_mean():
    tower = prompted(init='token')
    with torch.autocast('cpu', torch.bfloat16):
        features = tower(tiny_images())
    prompt = prompt_of(tower).prompt
    assert prompt.dtype == torch.float32
    mean = tower.embed(tiny_images()).mean((0, 1))
    torch.testing.assert_close(prompt[0, 0], mean, rtol=0.02, atol=0.02)
    features.sum().backward()
    assert prompt.grad is not None
    assert prompt.grad.dtype == torch.float32


def test_two_processes_share_the_first_processs_token(tmp_path):
    torch.multiprocessing.spawn(take_token, (str(tmp_path),), nprocs=2)
    (first, done, tokens), (second, also_done, others) = (
        torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in (0, 1)
    )
    assert done
    assert also_done
    assert torch.equal(first, second)
    torch.testing.assert_close(first, tokens.mean((0, 1)).expand(2, 2, 8))
    assert not torch.allclose(tokens.mean((0, 1)), others.mean((0, 1)))


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'length': 0}, 'length'),
        ({'length': '2'}, 'length'),
        ({'position': 'behind'}, 'behind'),
        ({'init': 'xavier'}, 'xavier'),
        ({'layers': [0, DEPTH]}, r'\[3\] are outside a tower of 3 blocks'),
        ({'layers': -DEPTH - 1}, 'outside'),
        ({'layers': []}, 'block numbers'),
        ({'layers': 'all'}, 'all'),
        ({'layers': [0.5]}, '0.5'),
        ({'length': PATCHES + 1, 'position': 'add'}, '16 patches'),
        ({'depth': 1}, "no option 'depth'.*it takes: length, layers, position, init"),
    ],
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(ConfigError, match=named):
        prompted(**options)


def test_shows_what_it_is():
    assert 'blocks=[0, 1, 2]' in repr(prompted(layers='deep'))
    assert {'FullFineTuning', 'NoTuning', 'VisualPrompt'} <= set(TUNINGS.names())
