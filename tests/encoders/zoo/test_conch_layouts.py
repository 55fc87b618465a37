"""CONCH's files, against timm's transformer and open_clip's pooler."""

from __future__ import annotations

import pytest
import timm
import torch
from layouts import check_refusals, synthetic
from published import (
    check_full_size,
    check_same,
    feature,
    normalised,
    random_images,
    shorten,
    write,
)
from torch import Tensor, nn
from torch.nn import functional as F

from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import CARDS

LAYOUTS = ('conch_v1', 'conch_v1_5_vision')


def inside(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def version_1(depth: int | None = 2) -> dict[str, Tensor]:
    state = synthetic('conch_v1', depth=depth)
    words = 'text.token_embedding.weight'
    return {**state, words: state[words][:100]}


@pytest.fixture(scope='module')
def v1() -> dict[str, Tensor]:
    return version_1()


def pooled_v1(state: dict[str, Tensor], images: Tensor, depth: int = 2) -> Tensor:
    open_clip = pytest.importorskip('open_clip.transformer')
    trunk = timm.create_model('vit_base_patch16_224', img_size=448, num_classes=0, depth=depth)
    trunk.load_state_dict(inside(state, 'visual.trunk.'))
    pooler = open_clip.AttentionalPooler(512, 768, n_head=8, n_queries=1)
    pooler.load_state_dict(inside(state, 'visual.attn_pool_contrast.'))
    pooled = pooler.eval()(trunk.eval().forward_features(normalised('conch', images)))[:, 0]
    last = inside(state, 'visual.ln_contrast.')
    return F.layer_norm(pooled, (512,), last['weight'], last['bias'])


@torch.no_grad()
def test_version_1(tmp_path, v1, monkeypatch):
    images = random_images(448)
    path = write(tmp_path, 'conch_v1', v1)
    expected = pooled_v1(v1, images)
    for name in ('conch', 'conch-clip'):
        shorten(monkeypatch, name, 2)
    check_same(feature('conch', path, images), expected)
    check_same(feature('conch-clip', path, images), expected @ v1['visual.proj_contrast'])


def test_version_1_at_another_size(tmp_path, v1, monkeypatch):
    shorten(monkeypatch, 'conch', 2)
    tower = load_vision('conch', weights=write(tmp_path, 'conch_v1', v1), image_size=224)
    stored = v1['visual.trunk.pos_embed']
    grid = stored[:, 1:].reshape(1, 28, 28, -1).permute(0, 3, 1, 2)
    smaller = F.interpolate(grid, size=(14, 14), mode='bilinear').flatten(2).transpose(1, 2)
    assert torch.allclose(tower.trunk.pos_embed[:, 1:], smaller, atol=1e-6)


class PoolerOfVersion15(nn.Module):
    """Attention by one query, as formulas."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.state = state

    def forward(self, x: Tensor) -> Tensor:
        own = inside(self.state, 'attn_pool_contrast.')
        x = F.layer_norm(x, (1024,), own['ln_k.weight'], own['ln_k.bias'])
        query = F.layer_norm(own['query'], (768,), own['ln_q.weight'], own['ln_q.bias'])
        q = (query @ own['to_q.weight'].T).reshape(8, 1, 96)
        keys, values = (x @ own['to_kv.weight'].T).split(768, dim=-1)
        k, v = (y.reshape(len(x), -1, 8, 96).transpose(1, 2) for y in (keys, values))
        seen = (q @ k.transpose(-1, -2) / 96**0.5).softmax(-1) @ v
        out = seen.transpose(1, 2).reshape(len(x), 768) @ own['to_out.weight'].T
        last = inside(self.state, 'ln_contrast.')
        return F.layer_norm(out, (768,), last['weight'], last['bias'])


@torch.no_grad()
@pytest.mark.parametrize('stored', [14, 28])
def test_version_15(tmp_path, monkeypatch, stored):
    """The file's grid of positions was not seen: either is taken, the small one resized as DINO does."""
    state = synthetic('conch_v1_5_vision', depth=2)
    if stored == 28:
        state['trunk.pos_embed'] = 0.1 * torch.randn(
            1, 785, 1024, generator=torch.Generator().manual_seed(3)
        )
    shorten(monkeypatch, 'conch-v1.5', 2)
    images = random_images(448)
    trunk = timm.create_model(
        'vit_large_patch16_224', img_size=448, num_classes=0, init_values=1.0, depth=2
    ).eval()
    own = inside(state, 'trunk.')
    if stored == 14:
        grid = own['pos_embed'][:, 1:].reshape(1, 14, 14, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, scale_factor=28.1 / 14, mode='bicubic').flatten(2)
        own['pos_embed'] = torch.cat([own['pos_embed'][:, :1], grid.transpose(1, 2)], dim=1)
    trunk.load_state_dict(own)
    tokens = trunk.forward_features(normalised('conch-v1.5', images))
    path = write(tmp_path, 'conch_v1_5_vision', state)
    check_same(feature('conch-v1.5', path, images), PoolerOfVersion15(state)(tokens))


def test_full_size_of_version_15():
    check_full_size('conch_v1_5_vision', 'conch-v1.5')


@pytest.mark.parametrize('model', ['conch', 'conch-clip'])
def test_full_size_of_version_1(model):
    card = CARDS[model]
    with torch.device('meta'):
        trunk = random_trunk(card, card.image_size)

    def load(state: dict[str, Tensor]) -> None:
        load_strict(trunk, to_timm(state, trunk, card.pos_interp, card.leftovers), model)

    state = synthetic('conch_v1', device='meta')
    # what belongs to texts is no business of this half
    check_refusals(load, dict(sorted(state.items(), key=lambda item: 'visual' not in item[0])))


@pytest.mark.slow
@torch.no_grad()
def test_full_depth(tmp_path):
    state, images = version_1(depth=None), random_images(448)
    path = write(tmp_path, 'conch_v1', state)
    check_same(feature('conch', path, images), pooled_v1(state, images, depth=12))
